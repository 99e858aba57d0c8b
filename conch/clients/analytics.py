"""Where exposures and outcomes are told beside the event log: for analysts, and never instead of it.

    AmplitudeAnalytics    Amplitude, or what takes its HTTP calls    (amplitude.py)
    FileAnalytics         JSON Lines in a file of this machine

Nothing waits for it: what it cannot take is dropped, and told of in the log.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from conch.contracts.events import AnyEvent, View, encode

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
    def __init__(self, file: Path) -> None:
        self._file = file

    def tell(self, events: Sequence[AnyEvent]) -> None:
        try:
            with self._file.open("ab") as file:
                file.write(b"".join(encode(event) + b"\n" for event in told(events)))
        except OSError as error:
            logger.warning("%d events are not in %s: %s", len(events), self._file.name, error.strerror)

    def close(self) -> None:
        pass


def told(events: Sequence[AnyEvent]) -> Sequence[AnyEvent]:
    return [event for event in events if not isinstance(event, View)]
