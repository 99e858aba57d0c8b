"""One session through any order of duplicates, reorderings, losses, breaks and crashes: its accounts balance, what was
acknowledged is decided or told as lost, and a command keeps its id however often its audio is sent.

The spool and the backlog are the real ones, and so is the gateway's account of samples; the rest is as small as can be.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.accounts import Balance
from bridge.backlog import Backlog, Bounds, Loss
from bridge.chunk import Chunk, Encoding, Format, decode
from bridge.records import Mark, Spooled
from bridge.spool import Spool
from conch.contracts.topics import DeviceId
from gateway.listening.accounts import Accounts
from tests.bridge.invariants import Span, assert_acted_once, assert_balanced, assert_none_lost

DEVICE = DeviceId("default", "watch-1")
HOW = Format(8000, Encoding.PCM16, True)
SAMPLES = 800
BOUNDS = Bounds(reorder_window=4, max_waiting_s=1.0)
"""Ten chunks wait, then the oldest goes."""


@dataclass
class Stream:
    """A Listen call: a word begins an utterance, silence ends it, and a decision comes before its acknowledgement."""

    accounts: Accounts
    begun: int | None = None
    told: list[Span] = field(default_factory=list)

    def hear(self, chunk: Chunk) -> None:
        arrival = self.accounts.place(chunk.offset, chunk.samples)
        self.accounts.take(chunk.offset, chunk.samples)
        assert arrival.skipped in (0, chunk.samples), "the bridge sends no part of a chunk"
        assert not arrival.skipped, f"a chunk at {chunk.offset} was sent after those behind it, and nobody hears it"
        if any(chunk.data):
            self.begun = chunk.offset if self.begun is None else self.begun
        elif self.begun is not None:
            self.decide(chunk.offset)

    def decide(self, end: int) -> None:
        if self.begun is not None:
            self.told.append((self.begun, end))
        self.begun = None

    @property
    def decided_to(self) -> int:
        return self.accounts.received_to if self.begun is None else self.begun


class Journey(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.sent: list[Chunk] = []
        self.coming: list[int] = []
        self.acknowledged: set[int] = set()
        self.unacknowledged: list[int] = []
        self.lost: list[Span] = []
        self.decided: dict[int, Span] = {}
        self.start(Mark(DEVICE, "one", HOW, 1, 0, 0, Balance(sent=0)))

    def start(self, mark: Mark | None = None) -> None:
        """From what is on disk, and `mark` where nothing is."""
        self.spool = Spool(self.folder, 2**20, 6000)
        chunks = []
        for record, place in self.spool.open():
            if isinstance(record, Spooled):
                chunks.append((record.chunk, place))
            else:
                mark = record
        assert mark is not None
        self.backlog = Backlog(mark, BOUNDS, self.spool.release)
        lost = self.backlog.restore(chunks)
        self.spool.begin([self.backlog.mark])
        self.lose(lost)
        self.safe = self.newest()
        self.open_stream()

    def newest(self) -> tuple[Path, int]:
        path = sorted(self.folder.glob("*.log"))[-1]
        return path, path.stat().st_size

    def open_stream(self) -> None:
        self.stream = Stream(Accounts(HOW.rate, self.backlog.next_offset, back_s=60.0))

    def marks(self) -> Iterator[Mark]:
        yield self.backlog.mark

    def note(self) -> None:
        self.spool.append(self.backlog.mark, self.marks)

    def lose(self, losses: list[Loss]) -> None:
        self.lost += [(one.start_offset, one.end_offset) for one in losses]
        if losses:
            self.note()

    @rule(words=st.lists(st.booleans(), min_size=1, max_size=6))
    def speak(self, words: list[bool]) -> None:
        for word in words:
            self.send_from_device(word)

    def send_from_device(self, word: bool) -> None:
        number = len(self.sent)
        told = (("session", "one"), ("seq", str(number)), ("offset", str(number * SAMPLES)), ("rate", "8000"))
        self.sent.append(decode((b"\1\1" if word else b"\0\0") * SAMPLES, told, 10_000))
        self.coming.append(number)

    @precondition(lambda self: self.coming)
    @rule(order=st.permutations(range(4)))
    def arrive(self, order: list[int]) -> None:
        """Four, or as many as there are, in any order."""
        some, self.coming = self.coming[:4], self.coming[4:]
        for at in order:
            if at < len(some):
                self.take(some[at])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def arrive_again(self, data: st.DataObject) -> None:
        self.take(data.draw(st.integers(max(0, len(self.sent) - 8), len(self.sent) - 1)))

    @precondition(lambda self: self.coming)
    @rule()
    def vanish(self) -> None:
        self.coming.pop(0)

    def take(self, number: int) -> None:
        placed = self.backlog.placed(self.sent[number], False)
        if placed is not None:
            place = self.spool.append(Spooled(DEVICE, placed), self.marks)
            self.lose(self.backlog.take(placed, place))
        self.unacknowledged.append(number)

    @rule()
    def acknowledge(self) -> None:
        self.spool.sync()()
        self.safe = self.newest()
        self.acknowledged.update(self.unacknowledged)
        self.unacknowledged.clear()

    @rule()
    def give_up_missing(self) -> None:
        self.lose(self.backlog.give_up_missing())

    @rule(most=st.integers(1, 12))
    def send(self, most: int) -> None:
        for _ in range(most):
            if (piece := self.backlog.next()) is None:
                return
            record = self.spool.read(piece.place)
            assert isinstance(record, Spooled)
            self.stream.hear(record.chunk)

    @rule(acknowledged=st.booleans())
    def heed(self, acknowledged: bool) -> None:
        """What the gateway has told so far; the stream may break before its acknowledgement comes."""
        for start, end in self.stream.told:
            before = self.decided.get(start)
            assert before is None or before[0] == start
            self.decided[start] = (start, max(end, before[1] if before else end))
        self.stream.told.clear()
        if acknowledged and self.backlog.decide(self.stream.decided_to):
            self.note()

    @rule()
    def break_stream(self) -> None:
        self.backlog.send_again()
        self.open_stream()

    @rule(of_power=st.booleans())
    def crash(self, of_power: bool) -> None:
        """The broker sends again what it knows no acknowledgement of; without power, so is what was not synced."""
        self.spool.close()
        path, size = self.safe
        if of_power and path == self.newest()[0]:
            os.truncate(path, size)
        self.coming = sorted({*self.coming, *self.unacknowledged})
        self.unacknowledged.clear()
        self.start()

    @invariant()
    def accounts_balance(self) -> None:
        if hasattr(self, "backlog"):
            assert_balanced(self.backlog.balance)

    def teardown(self) -> None:
        if not hasattr(self, "backlog"):
            return
        self.acknowledge()
        while not self.backlog.is_empty:
            self.give_up_missing()
            self.send(len(self.sent))
            self.stream.decide(self.stream.accounts.received_to)
            self.heed(acknowledged=True)
            self.break_stream()
        assert_balanced(self.backlog.balance)
        said = [self.sent[number] for number in self.acknowledged if any(self.sent[number].data)]
        decisions = [
            {"decision": "execute", "command_id": str(start), "start_offset": start, "end_offset": end}
            for start, (_, end) in self.decided.items()
        ]
        spans = [(one.offset, one.offset + one.samples) for one in said]
        assert_none_lost(spans, self.decided.values(), self.lost)
        if not self.lost:
            assert_acted_once(decisions)
        self.spool.close()
        for path in self.folder.glob("*"):
            path.unlink()
        self.folder.rmdir()


TestJourney = Journey.TestCase
TestJourney.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
