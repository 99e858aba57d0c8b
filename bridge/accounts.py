"""What became of every sample of one session: received + gap + dropped = sent.

Pure. A device that numbers its chunks is told exactly (Numbered); for one that does not, each chunk follows the one
before, and what it sent is unknown. All offsets and counts are samples.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bridge.chunk import Reason, Refused


class Piece(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def samples(self) -> int: ...


P = TypeVar("P", bound=Piece)


@dataclass(frozen=True, slots=True)
class Balance:
    received: int = 0
    gap: int = 0
    dropped: int = 0
    duplicates: int = 0
    """Chunks that came again, or after they were given up; they are in none of the others."""
    sent: int | None = None
    """Up to the last sample that is accounted for; None: the device does not tell."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Samples that never came: the first, and the first after them."""

    start_offset: int
    end_offset: int


class Numbered(Generic[P]):
    """Puts chunks in order. At most `window` wait for one before them; then that one is a gap."""

    def __init__(self, window: int, start_offset: int = 0, balance: Balance = Balance(sent=0)) -> None:
        self._window = window
        self._next = start_offset
        self._received, self._gap, self._dropped = balance.received, balance.gap, balance.dropped
        self._duplicates = balance.duplicates
        self._held: dict[int, P] = {}

    @property
    def next_offset(self) -> int:
        """Everything before is accounted for."""
        return self._next

    @property
    def waits(self) -> bool:
        return bool(self._held)

    @property
    def balance(self) -> Balance:
        return Balance(self._received, self._gap, self._dropped, self._duplicates, self._next)

    def is_new(self, offset: int, samples: int) -> bool:
        """False for what is accounted for, which is counted; raises Refused for what is so in part."""
        if offset + samples <= self._next or self._has(offset, samples):
            self._duplicates += 1
            return False
        if offset < self._next or any(
            offset < held + piece.samples and held < offset + samples for held, piece in self._held.items()
        ):
            raise Refused(Reason.OVERLAP, f"samples {offset} to {offset + samples} are known in part")
        return True

    def repeated(self) -> None:
        """A chunk came again that has no number to tell it by."""
        self._duplicates += 1

    def take(self, piece: P) -> list[P | Missing]:
        """What may go on now, in order, of a piece that is new."""
        self._held[piece.offset] = piece
        ready = self._in_order()
        while len(self._held) > self._window:
            ready += self._skip()
        return ready

    def give_up(self) -> list[P | Missing]:
        """Whatever is missing will not come."""
        ready: list[P | Missing] = []
        while self._held:
            ready += self._skip()
        return ready

    def drop(self, samples: int) -> None:
        """Of what was received, and has been thrown away unheard."""
        self._received -= samples
        self._dropped += samples

    def _has(self, offset: int, samples: int) -> bool:
        return offset in self._held and self._held[offset].samples == samples

    def _skip(self) -> list[P | Missing]:
        first = min(self._held)
        missing = Missing(self._next, first)
        self._gap += first - self._next
        self._next = first
        return [missing, *self._in_order()]

    def _in_order(self) -> list[P | Missing]:
        ready: list[P | Missing] = []
        while self._next in self._held:
            piece = self._held.pop(self._next)
            self._received += piece.samples
            self._next += piece.samples
            ready.append(piece)
        return ready
