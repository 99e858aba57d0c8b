import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.actions.order import Kind, Order, State
from bridge.actions.outbox import PRUNE_EVERY, Outbox, Question, Recorded, Repeat
from bridge.events import Span
from bridge.wearer import Wearer
from conch.contracts.errors import Internal, Unavailable
from conch.contracts.topics import DeviceId

WATCH = Wearer(DeviceId("default", "watch-1"), "one", True)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEEK_S = 7 * 86_400.0


def order(first: int, after: int, wearer: Wearer = WATCH, kind: Kind = Kind.DIAL) -> Order:
    return Order(kind, wearer, f"command-{first}", (Span(first, after),), NOON, contact="Mai")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(folder, max_commands: int = 1000, clock: Clock | None = None) -> Outbox:
    outbox = Outbox(folder / "outbox.db", WEEK_S, max_commands, clock or Clock())
    outbox.open()
    return outbox


def claims(outbox: Outbox, *orders: Order) -> list[bool]:
    return [isinstance(outbox.claim(one), int) for one in orders]


def test_a_command_is_claimed_once_for_ever(tmp_path):
    outbox = opened(tmp_path)
    number = outbox.claim(order(0, 16_000))
    outbox.begin(number)
    outbox.settle(number, State.FAILED, "nobody answers")
    recorded = Recorded(number, "command-0", WATCH, Kind.DIAL, "Mai", State.FAILED, "nobody answers")
    assert outbox.claim(order(0, 16_000)) == Repeat(recorded, is_same=True)
    outbox.close()
    assert opened(tmp_path).claim(order(0, 16_000)) == Repeat(recorded, is_same=True)


@pytest.mark.parametrize("span", [(99, 150), (512, 16_000), (15_999, 30_000), (0, 30_000), (500, 501)], ids=str)
def test_samples_that_were_acted_on_in_part_are_not_acted_on_again(tmp_path, span):
    outbox = opened(tmp_path)
    assert claims(outbox, order(100, 16_000), order(*span)) == [True, False]


@pytest.mark.parametrize("span", [(0, 100), (16_000, 30_000)], ids=["before", "after"])
def test_an_utterance_that_touches_another_is_its_own(tmp_path, span):
    outbox = opened(tmp_path)
    assert claims(outbox, order(100, 16_000), order(*span)) == [True, True]


@pytest.mark.parametrize(
    "other",
    [
        replace(WATCH, session="two"),
        replace(WATCH, device=DeviceId("default", "watch-2")),
        replace(WATCH, device=DeviceId("acme", "watch-1")),
    ],
    ids=["session", "device", "tenant"],
)
def test_samples_are_of_one_tenant_s_device_s_session(tmp_path, other):
    outbox = opened(tmp_path)
    assert claims(outbox, order(0, 100), order(0, 100, other)) == [True, True]


def test_an_answer_s_samples_are_its_command_s_too(tmp_path):
    outbox = opened(tmp_path)
    dialled = replace(order(0, 100), samples=(Span(0, 100), Span(500, 600)))
    assert claims(outbox, dialled, order(490, 590), order(200, 300)) == [True, False, True]


def test_a_range_without_samples_is_claimed_once_too(tmp_path):
    outbox = opened(tmp_path)
    assert claims(outbox, order(5, 5), order(5, 5)) == [True, False]


def test_a_repeat_that_has_more_in_it_is_told_from_one_that_has_not(tmp_path):
    outbox = opened(tmp_path)
    outbox.claim(order(0, 1000))
    again = [outbox.claim(order(*span)) for span in ((32, 1032), (900, 3000), (0, 2500))]
    assert [one.is_same for one in again if isinstance(one, Repeat)] == [True, False, False]


utterances = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 30)), min_size=1, max_size=8).map(
    lambda lengths: [
        (sum(sum(one) for one in lengths[:at]), sum(sum(one) for one in lengths[:at]) + lengths[at][0])
        for at in range(len(lengths))
    ]
)
"""Ranges of samples, as a session has them: in order, and apart or touching."""


@settings(max_examples=25, deadline=None)
@given(utterances, st.data())
def test_whatever_is_decided_again_and_however_it_is_cut_no_sample_is_acted_on_twice(tmp_path_factory, spans, data):
    folder = tmp_path_factory.mktemp("replay")
    outbox = opened(folder)
    shifted = [
        (max(first + data.draw(st.integers(-3, 3)), 0), after + data.draw(st.integers(-3, 60)))
        for first, after in data.draw(st.lists(st.sampled_from(spans), max_size=20))
    ]
    acted: list[tuple[int, int]] = []
    for first, after in data.draw(st.permutations(spans + [one for one in shifted if one[0] < one[1]])):
        if data.draw(st.integers(0, 5)) == 0:  # a crash
            outbox.close()
            outbox = opened(folder)
        if isinstance(outbox.claim(order(first, after)), int):
            acted.append((first, after))
    outbox.close()
    acted.sort()
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(acted))
    assert all(any(first < done[1] and done[0] < after for done in acted) for first, after in spans)


def test_what_was_claimed_or_begun_when_a_bridge_ended_is_open_at_the_next_start(tmp_path):
    outbox = opened(tmp_path)
    claimed, begun, done = (outbox.claim(order(at, at + 10)) for at in (0, 100, 200))
    for number in (begun, done):
        outbox.begin(number)
    outbox.settle(done, State.DONE)
    # Not closed: whatever was committed is there for whoever comes after a crash.
    left = opened(tmp_path).unsettled()
    assert [(one.number, one.state) for one in left] == [(claimed, State.CLAIMED), (begun, State.BEGUN)]


def test_a_command_is_begun_and_settled_once(tmp_path):
    outbox = opened(tmp_path)
    number = outbox.claim(order(0, 10))
    outbox.begin(number)
    with pytest.raises(Internal, match="is not claimed, and cannot be begun"):
        outbox.begin(number)
    outbox.settle(number, State.DONE)
    with pytest.raises(Internal, match="cannot be failed"):
        outbox.settle(number, State.FAILED)


def test_what_is_settled_is_forgotten_by_age_and_number_and_what_is_open_never(tmp_path):
    clock = Clock()
    outbox = opened(tmp_path, max_commands=10, clock=clock)
    open_one = outbox.claim(order(0, 10))
    settled = [outbox.claim(order(at * 10, at * 10 + 10)) for at in range(1, 20)]
    for number in settled:
        outbox.settle(number, State.DONE)
    outbox.close()

    outbox = opened(tmp_path, max_commands=10, clock=clock)
    kept = [at for at in range(20) if isinstance(outbox.claim(order(at * 10, at * 10 + 10)), Repeat)]
    assert kept == [0, *range(10, 20)]
    outbox.close()

    clock.now += WEEK_S + 1
    outbox = opened(tmp_path, max_commands=1000, clock=clock)
    assert isinstance(outbox.claim(order(150, 160)), int)
    assert open_one in [one.number for one in outbox.unsettled()]


def test_a_bridge_that_runs_for_long_forgets_too(tmp_path):
    outbox = opened(tmp_path, max_commands=5)
    for at in range(PRUNE_EVERY):
        outbox.settle(outbox.claim(order(at * 10, at * 10 + 10)), State.DONE)
    assert isinstance(outbox.claim(order(0, 10)), int)


def test_a_session_has_one_question_until_it_is_answered(tmp_path):
    outbox = opened(tmp_path)
    other = replace(WATCH, session="two", numbered=False)
    for question in (
        Question(WATCH, "a", Kind.DIAL),
        Question(other, "b", Kind.SUMMON),
        Question(WATCH, "c", Kind.DIAL),
    ):
        outbox.ask(question)
    outbox.close()
    outbox = opened(tmp_path)
    assert set(outbox.questions()) == {Question(WATCH, "c", Kind.DIAL), Question(other, "b", Kind.SUMMON)}
    outbox.answered(WATCH)
    assert outbox.questions() == [Question(other, "b", Kind.SUMMON)]


def test_every_commit_is_on_disk_before_it_returns(tmp_path):
    import sqlite3

    outbox = opened(tmp_path)
    outbox.claim(order(0, 10))
    assert (tmp_path / "outbox.db-wal").stat().st_size > 0
    full = 2
    assert outbox._database.execute("PRAGMA synchronous").fetchone() == (full,)
    # Another process sees it while this one has not closed.
    with sqlite3.connect(tmp_path / "outbox.db") as reader:
        assert reader.execute("SELECT state FROM commands").fetchall() == [("claimed",)]


def test_a_disk_that_fails_is_unavailable_and_claims_nothing(tmp_path):
    outbox = opened(tmp_path)
    outbox._database.execute("PRAGMA query_only = ON")  # every write fails, as on a disk that is full
    with pytest.raises(Unavailable, match="cannot be used"):
        outbox.claim(order(0, 10))
    outbox._database.execute("PRAGMA query_only = OFF")
    assert claims(outbox, order(0, 10)) == [True]


def test_a_file_that_is_no_outbox_is_refused(tmp_path):
    (tmp_path / "outbox.db").write_bytes(b"something else" * 100)
    with pytest.raises(Unavailable, match="cannot be used"):
        opened(tmp_path)
