"""What a session counts; gateway/metrics.py gives the numbers their names."""

from typing import Protocol


class Counting(Protocol):
    def session_opened(self) -> None: ...

    def session_closed(self) -> None: ...

    def utterance_ended(self, tenant: str, ending: str) -> None: ...

    def utterance_decided(self, tenant: str, seconds: float) -> None:
        """From its end to its last event."""

    def partial(self, tenant: str, outcome: str) -> None:
        """sent, late, failed, or behind: not even asked for."""

    def audio_refused(self, tenant: str, reason: str) -> None:
        """A chunk: of no use, or there already."""

    def gap(self, tenant: str, seconds: float) -> None: ...

    def buffered(self, more_s: float) -> None:
        """Of audio in memory; less than 0 where it became less."""
