"""Where exposures and outcomes are told beside the event log: for analysts, and never instead of it.

    AmplitudeAnalytics    Amplitude, or what takes its HTTP calls    (amplitude.py)
    FileAnalytics         JSON Lines in a file of this machine

Nothing waits for it: what it cannot take is dropped, and told of in the log.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.events import AnyEvent, View, decode, encode
from conch.flocks import awaited

logger = logging.getLogger(__name__)


class Analytics(Protocol):
    """Called in a thread of its own; raises nothing."""

    def tell(self, events: Sequence[AnyEvent]) -> None:
        """Of those, what experiments are made of: all but views."""
        ...

    def close(self) -> None:
        """What waits is sent first."""
        ...


class FileAnalytics(Analytics):
    """Several processes may write one file; who takes a user out of it keeps them waiting for as long."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def tell(self, events: Sequence[AnyEvent]) -> None:
        try:
            with self._alone(), self._file.open("ab") as file:
                file.write(b"".join(encode(event) + b"\n" for event in told(events)))
        except OSError as error:
            logger.warning("%d events are not in %s: %s", len(events), self._file.name, error.strerror)

    def forget(self, catalogue: str, user: str) -> int:
        """How many of the user's events were in the file, and are no more. Raises Unavailable; then all of them are."""
        kept, gone = self._file.with_name(f"{self._file.name}.kept"), 0
        try:
            with self._alone(), contextlib.suppress(FileNotFoundError):
                with self._file.open("rb") as before, kept.open("wb") as after:
                    for line in before:
                        theirs = _is_of(line, catalogue, user)
                        gone += theirs
                        after.write(b"" if theirs else line)
                    after.flush()
                    os.fsync(after.fileno())
                kept.replace(self._file)
        except OSError as error:
            raise Unavailable(f"{self._file.name} cannot be written anew: {error.strerror}") from error
        return gone

    def close(self) -> None:
        pass

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        # Beside the file: that one is replaced.
        return awaited(self._file.with_name(f"{self._file.name}.lock"))


def _is_of(line: bytes, catalogue: str, user: str) -> bool:
    try:
        event = decode(line)
    except InvalidRequest:
        return False
    return (event.catalogue, event.user) == (catalogue, user)


def told(events: Sequence[AnyEvent]) -> Sequence[AnyEvent]:
    return [event for event in events if not isinstance(event, View)]
