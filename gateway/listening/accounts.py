"""Account for every sample of a session: each one is heard once, or told as missing.

Offsets count samples of one channel at the session's rate, from the session's first. A chunk is what its offset says:
the order in which chunks come decides nothing.
"""

from dataclasses import dataclass

from conch.contracts.errors import InvalidRequest

AHEAD_S = 24 * 3600.0
"""No gap is longer: such an offset is a mistake."""


@dataclass(frozen=True, slots=True)
class Arrival:
    skipped: int
    """First samples of the chunk that were there already; all of them in a duplicate."""
    gap: tuple[int, int] | None = None
    """Samples that never came: the first, and the first after them, where this chunk begins."""


class Accounts:
    def __init__(self, rate: int, received_to: int, back_s: float) -> None:
        """`back_s`: audio that begins longer ago is no repetition, but a mistake."""
        if received_to < 0:
            raise InvalidRequest(f"resume_offset is {received_to}, below 0")
        self._ahead = round(AHEAD_S * rate)
        self._back = round(back_s * rate)
        self._received_to = received_to

    @property
    def received_to(self) -> int:
        """Every sample before was received, or told as missing."""
        return self._received_to

    def place(self, offset: int, samples: int) -> Arrival:
        """What a chunk would be that arrived now. Raises InvalidRequest for an offset that cannot be meant."""
        expected = self._received_to
        if offset < 0:
            raise InvalidRequest(f"offset is {offset}, below 0")
        if offset + self._back < expected:
            raise InvalidRequest(f"offset {offset} is {expected - offset} samples back, at most {self._back} may be")
        if offset - expected > self._ahead:
            raise InvalidRequest(f"offset {offset} is {offset - expected} ahead, at most {self._ahead} may be missing")
        if offset + samples <= expected:
            return Arrival(skipped=samples)
        if offset > expected:
            return Arrival(0, (expected, offset))
        return Arrival(expected - offset)

    def take(self, offset: int, samples: int) -> None:
        """A chunk that was placed has arrived."""
        self._received_to = max(self._received_to, offset + samples)
