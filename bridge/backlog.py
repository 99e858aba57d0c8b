"""Audio of one session that is on disk and not decided: what was sent to the gateway, and what waits for it."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bridge.accounts import Balance, Missing, Numbered
from bridge.chunk import Chunk, Format, Reason, Refused
from bridge.records import Mark
from bridge.spool import Place
from bridge.wearer import Wearer
from conch.contracts.topics import DeviceId

DROPPED_AT_ONCE = 20
"""A twentieth of what may wait goes together: a storm of chunks is no storm of events that tell of them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk that is read from the spool again when it is sent."""

    offset: int
    samples: int
    place: Place
    came_at: float = 0.0

    @property
    def end(self) -> int:
        return self.offset + self.samples


@dataclass(frozen=True, slots=True)
class Bounds:
    reorder_window: int
    max_waiting_s: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """Samples that were thrown away, because the gateway was too slow, or away for too long."""

    start_offset: int
    end_offset: int


Loss = Missing | Dropped


class Backlog:
    def __init__(self, start: Mark, bounds: Bounds, release: Callable[[Place], None]) -> None:
        """`release` lets go of what is decided or thrown away."""
        self.device: DeviceId = start.device
        self.session = start.session
        self.format: Format = start.format
        self._began_ns = start.began_ns
        self.decided_to = start.decided_to
        self._accounts = Numbered[Piece](bounds.reorder_window, start.next_offset, start.balance)
        self._thrown_away = list(start.thrown_away)
        self._sent: deque[Piece] = deque()
        self._waiting: deque[Piece] = deque()
        self._most = round(bounds.max_waiting_s * self.format.rate)
        self._waiting_samples = 0
        self._release = release

    @property
    def balance(self) -> Balance:
        balance = self._accounts.balance
        return balance if self.format.counted else replace(balance, sent=None)

    @property
    def wearer(self) -> Wearer:
        return Wearer(self.device, self.session, self.format.counted)

    @property
    def mark(self) -> Mark:
        return Mark(
            self.device,
            self.session,
            self.format,
            self._began_ns,
            self._accounts.next_offset,
            self.decided_to,
            self._accounts.balance,
            tuple(self._thrown_away),
        )

    @property
    def reorders(self) -> bool:
        """Chunks wait here for one before them."""
        return self._accounts.waits

    @property
    def is_empty(self) -> bool:
        """Everything that came is decided."""
        return not (self._sent or self._waiting or self._accounts.waits)

    @property
    def next_offset(self) -> int:
        """Where what is sent next begins."""
        return self._waiting[0].offset if self._waiting else self._accounts.next_offset

    def placed(self, chunk: Chunk, is_again: bool) -> Chunk | None:
        """The chunk with its place in the session; None for one that came before. Raises Refused.

        `is_again`: it is a repeat by its bytes, which decides where it has no number.
        """
        if chunk.format != self.format:
            raise Refused(Reason.FORMAT_CHANGED, f"the chunk is {chunk.format}, the session {self.format}")
        if self.format.counted:
            return chunk if self._accounts.is_new(chunk.offset, chunk.samples) else None
        if is_again:
            self._accounts.repeated()
            return None
        return replace(chunk, session=self.session, offset=self._accounts.next_offset)

    def take(self, chunk: Chunk, place: Place) -> list[Loss]:
        """A placed one that is in the spool now; what is lost for good thereby."""
        return self._queue(self._accounts.take(Piece(chunk.offset, chunk.samples, place, chunk.came_at)))

    def restore(self, chunks: Iterable[tuple[Chunk, Place]]) -> list[Loss]:
        """All that was in the spool when the bridge started, in any order; what is lost for good thereby.

        What the gateway had waits again, so that more may wait than may.
        """
        # As they came, a late one would wait behind those that it belongs before, and be sent after them.
        in_order = sorted(chunks, key=lambda one: one[0].offset)
        return [loss for chunk, place in in_order for loss in self._restore(chunk, place)]

    def _restore(self, chunk: Chunk, place: Place) -> list[Loss]:
        piece = Piece(chunk.offset, chunk.samples, place, chunk.came_at)
        gone = any(one.start_offset <= piece.offset < one.end_offset for one in self._thrown_away)
        if piece.end <= self.decided_to or gone:
            self._release(place)
        elif piece.end <= self._accounts.next_offset:
            self._wait(piece)
        else:
            return self.take(chunk, place)
        return []

    def give_up_missing(self) -> list[Loss]:
        return self._queue(self._accounts.give_up())

    def next(self) -> Piece | None:
        """What to send now; it counts as sent."""
        if not self._waiting:
            return None
        piece = self._waiting.popleft()
        self._waiting_samples -= piece.samples
        self._sent.append(piece)
        return piece

    def came_at(self, end_offset: int) -> float | None:
        """When the last sample before `end_offset` came, as Unix time; None where it is decided, or nobody knows."""
        return next((piece.came_at or None for piece in self._sent if piece.offset < end_offset <= piece.end), None)

    def send_again(self) -> None:
        """The stream broke: whatever is not decided waits once more."""
        self._waiting_samples += sum(piece.samples for piece in self._sent)
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()

    def decide(self, to: int) -> bool:
        """Audio before `to` is no longer needed; whether that is news."""
        if to <= self.decided_to:
            return False
        self.decided_to = to
        while self._sent and self._sent[0].end <= to:
            self._release(self._sent.popleft().place)
        self._thrown_away = [one for one in self._thrown_away if one.end_offset > to]
        return True

    def throw_away(self) -> list[Loss]:
        """All of it: the gateway will not have it."""
        self.send_again()
        lost = self.give_up_missing()
        return lost + self._drop_until(0)

    def _queue(self, ready: Sequence[Piece | Missing]) -> list[Loss]:
        lost: list[Loss] = []
        for one in ready:
            if isinstance(one, Missing):
                lost.append(one)
            else:
                self._wait(one)
        if self._waiting_samples > self._most:
            # The last one stays, however long it is: nothing older than it is worth more.
            lost += self._drop_until(self._most - self._most // DROPPED_AT_ONCE, left=1)
        return lost

    def _wait(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._waiting_samples += piece.samples

    def _drop_until(self, most: int, left: int = 0) -> list[Loss]:
        """The oldest first, until `left` are left. What the gateway has, of the utterance being spoken, stays."""
        lost: list[Loss] = []
        while self._waiting_samples > most and len(self._waiting) > left:
            piece = self._waiting.popleft()
            self._waiting_samples -= piece.samples
            self._accounts.drop(piece.samples)
            self._release(piece.place)
            self._note_thrown_away(piece)
            start = lost.pop().start_offset if lost and lost[-1].end_offset == piece.offset else piece.offset
            lost.append(Dropped(start, piece.end))
        return lost

    def _note_thrown_away(self, piece: Piece) -> None:
        last = self._thrown_away[-1] if self._thrown_away else None
        if last is not None and last.end_offset == piece.offset:
            self._thrown_away[-1] = Missing(last.start_offset, piece.end)
        else:
            self._thrown_away.append(Missing(piece.offset, piece.end))
