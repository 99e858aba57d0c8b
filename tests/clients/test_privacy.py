"""Whoever forgets users does the same: this process, and Amplitude's privacy API as a real HTTP server plays it."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from conch.clients.allowed import Allowed
from conch.clients.outbound import Outbound
from conch.clients.privacy import AmplitudePrivacy, Deletion, MemoryPrivacy, Privacy
from conch.contracts.errors import InvalidRequest, PermissionDenied, TooMuch, Unauthenticated, Unavailable
from tests.clients.peer import Asked, answering, response

DAY = "2026-12-01"
PATH = "/api/2/deletions/users"
JSON = {"Content-Type": "application/json"}


@dataclass
class Amplitude:
    """As its documentation has it: https://amplitude.com/docs/apis/analytics/user-privacy."""

    known: set[str]
    key: str = "the-key"
    secret: str = "the-secret"
    asked: list[dict[str, object]] = field(default_factory=list)

    def answer(self, asked: Asked) -> bytes:
        told = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {told}":
            return response(401)
        if (asked.method, asked.target) != ("POST", PATH):
            return response(404)
        body = json.loads(asked.content)
        self.asked.append(body)
        users = [user for user in body["user_ids"] if user in self.known]
        if len(users) < len(body["user_ids"]) and body.get("ignore_invalid_id") != "True":
            return response(400)
        self.known -= set(users)
        ids = [{"amplitude_id": hash(user), "requested_on_day": DAY, "requester": "conch"} for user in users]
        return response(200, json.dumps({"day": DAY, "status": "staging", "amplitude_ids": ids}).encode(), JSON)


@pytest.fixture
async def amplitude() -> AsyncIterator[tuple[Amplitude, AmplitudePrivacy]]:
    server = Amplitude({"ana", "shop:ana", "bo"})
    async with answering(server.answer) as peer:
        url = f"http://127.0.0.1:{peer.port}{PATH}"
        async with Outbound(Allowed([url])) as outbound:
            yield server, AmplitudePrivacy(outbound, "the-key", "the-secret", url)


@pytest.fixture(params=["memory", "amplitude"])
def privacy(request: pytest.FixtureRequest, amplitude: tuple[Amplitude, AmplitudePrivacy]) -> Privacy:
    return MemoryPrivacy(["ana", "shop:ana", "bo"], DAY) if request.param == "memory" else amplitude[1]


async def test_a_user_that_is_known_is_deleted_on_a_day(privacy: Privacy) -> None:
    assert await privacy.forget("default", "ana") == Deletion(DAY, "staging")
    assert await privacy.forget("default", "bo") == Deletion(DAY, "staging")


async def test_nobody_is_nobody_to_delete_and_asking_again_is_no_error(privacy: Privacy) -> None:
    assert await privacy.forget("default", "stranger") == Deletion("")
    await privacy.forget("default", "ana")
    assert await privacy.forget("default", "ana") == Deletion("")


async def test_the_same_id_in_two_catalogues_is_two_people(privacy: Privacy) -> None:
    assert await privacy.forget("shop", "ana") == Deletion(DAY, "staging")
    assert await privacy.forget("shop", "ana") == await privacy.forget("shop", "bo") == Deletion("")
    assert await privacy.forget("default", "ana") == Deletion(DAY, "staging")


async def test_a_user_without_an_id_is_refused(privacy: Privacy) -> None:
    with pytest.raises(InvalidRequest, match="no id"):
        await privacy.forget("default", "")


async def test_amplitude_is_asked_for_one_user_of_one_project(amplitude: tuple[Amplitude, AmplitudePrivacy]) -> None:
    server, privacy = amplitude
    await privacy.forget("default", "ana")
    assert server.asked == [
        {"user_ids": ["ana"], "requester": "conch", "ignore_invalid_id": "True", "delete_from_org": "False"}
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (response(401), Unauthenticated),
        (response(403), PermissionDenied),
        (response(429), TooMuch),
        (response(500), Unavailable),
        (response(200, b"<html>"), Unavailable),
        (response(200, b'{"day": 7}'), Unavailable),
        (response(302, headers={"Location": "http://127.0.0.1:1/"}), PermissionDenied),
    ],
    ids=["no-secret", "forbidden", "too-much", "broken", "no-json", "another-shape", "elsewhere"],
)
async def test_nothing_is_promised_where_amplitude_does_not_promise_it(
    answer: bytes | Callable[[Asked], bytes], error: type[Exception]
) -> None:
    async with answering(answer) as peer:
        url = f"http://127.0.0.1:{peer.port}{PATH}"
        async with Outbound(Allowed([url])) as outbound:
            with pytest.raises(error):
                await AmplitudePrivacy(outbound, "key", "secret", url).forget("default", "ana")


async def test_several_projects_are_told_of_by_one_that_deletes() -> None:
    jobs = [{"day": "", "status": "", "amplitude_ids": []}, {"day": DAY, "status": "staging", "amplitude_ids": [{}]}]
    async with answering(response(200, json.dumps(jobs).encode(), JSON)) as peer:
        url = f"http://127.0.0.1:{peer.port}{PATH}"
        async with Outbound(Allowed([url])) as outbound:
            assert await AmplitudePrivacy(outbound, "key", "secret", url).forget("default", "ana") == Deletion(
                DAY, "staging"
            )
