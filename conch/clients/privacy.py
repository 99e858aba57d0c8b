"""Whoever was told of users beside the event log, and forgets one when asked.

    AmplitudePrivacy    Amplitude's User Privacy API, or what takes its calls
    MemoryPrivacy       this process

Both pass tests/clients/test_privacy.py.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from conch.clients.outbound import Call, Outbound
from conch.contracts.analysts import analysts_id
from conch.contracts.errors import InvalidRequest, Unavailable

DEADLINE_S = 30.0

AMPLITUDE_URL = "https://amplitude.com/api/2/deletions/users"
"""Of projects in the EU: https://analytics.eu.amplitude.com/api/2/deletions/users."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """It is promised, not done: theirs is a batch of some days from now."""

    day: str
    """When it is to run, as 2026-12-01; empty: they do not know the user, and there is nothing to delete."""
    status: str = ""
    """Theirs: staging, submitted or done."""


class Privacy(Protocol):
    async def forget(self, catalogue: str, user: str) -> Deletion:
        """All that they know of this user of the catalogue. May be asked again.

        Raises ConchError; then nothing is promised.
        """
        ...


class MemoryPrivacy(Privacy):
    """As Amplitude does it, for tests."""

    def __init__(self, known: Sequence[str], day: str) -> None:
        """`known` as they know them (analysts_id)."""
        self.known = set(known)
        self._day = day

    async def forget(self, catalogue: str, user: str) -> Deletion:
        theirs = _theirs(catalogue, user)
        known = theirs in self.known
        self.known.discard(theirs)
        return Deletion(self._day, "staging") if known else Deletion("")


class _Job(msgspec.Struct, frozen=True):
    day: str = ""
    status: str = ""
    amplitude_ids: list[msgspec.Raw] = []


_JOBS = msgspec.json.Decoder(_Job | list[_Job])


class AmplitudePrivacy(Privacy):
    """POST of the users to delete, by the project's API key and secret key."""

    def __init__(self, outbound: Outbound, key: str, secret: str, url: str = AMPLITUDE_URL) -> None:
        """`outbound` may call `url`."""
        self._outbound, self._url = outbound, url
        self._authorization = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()

    async def forget(self, catalogue: str, user: str) -> Deletion:
        users = [_theirs(catalogue, user)]
        # Theirs are words, not booleans. Whoever was never told of is no error.
        asked = {"user_ids": users, "requester": "conch", "ignore_invalid_id": "True", "delete_from_org": "False"}
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        call = Call("POST", self._url, DEADLINE_S, msgspec.json.encode(asked), headers)
        answer = await self._outbound.send(call)
        try:
            jobs = _JOBS.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"Amplitude's answer is not what it documents: {error}") from None
        job = jobs if isinstance(jobs, _Job) else next((one for one in jobs if one.amplitude_ids), _Job())
        return Deletion(job.day, job.status) if job.amplitude_ids else Deletion("")


def _theirs(catalogue: str, user: str) -> str:
    if not user:
        raise InvalidRequest("the user to forget has no id")
    return analysts_id(catalogue, user)
