"""The sales rollups as the gateway asks them: one question at a time, remembered, and left alone while away."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conch.contracts.errors import Unavailable
from conch.stores.memory_rollups import MemoryRollups
from conch.stores.rollups import Sale
from gateway.recommending.sold import REMEMBER_S, WAITING, Sold

NOW_MS = 1_700_000_000_000
WITHIN_S = 30.0


class Counted(MemoryRollups):
    """Counts questions; answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.may = threading.Event()
        self.may.set()
        self.replace(NOW_MS, [Sale("books", "p", 2)])

    def best_sellers(self, *args, **options):
        self.asked += 1
        assert self.may.wait(WITHIN_S)
        return super().best_sellers(*args, **options)


@contextmanager
def asking(rollups, clock=lambda: 0.0) -> Iterator[Sold]:
    sold = Sold(rollups, clock=clock, now_ms=lambda: NOW_MS)
    try:
        yield sold
    finally:
        sold.close()


def test_an_answer_is_remembered_for_a_while():
    rollups, now = Counted(), [0.0]
    with asking(lambda: rollups, lambda: now[0]) as sold:
        first = sold.best("books").result(WITHIN_S)
        rollups.replace(NOW_MS, [Sale("books", "q", 2)])
        assert sold.best("books").result(WITHIN_S) == first == [("p", pytest.approx(2.2))]
        now[0] = REMEMBER_S
        assert [pid for pid, _ in sold.best("books").result(WITHIN_S)] == ["q"]
    assert rollups.asked == 2


def test_who_asks_for_the_same_waits_for_the_same_answer():
    rollups = Counted()
    rollups.may.clear()
    with asking(lambda: rollups) as sold:
        waiting = [sold.best("books") for _ in range(20)]
        rollups.may.set()
        assert {one.result(WITHIN_S)[0][0] for one in waiting} == {"p"}
    assert rollups.asked == 1


def test_no_more_wait_than_may():
    rollups = Counted()
    rollups.may.clear()
    with asking(lambda: rollups) as sold:
        waiting = [sold.best(f"category-{number}") for number in range(WAITING)]
        assert sold.best("one too many").result(WITHIN_S) is None
        rollups.may.set()
        assert [list(one.result(WITHIN_S)) for one in waiting] == [[]] * WAITING


def test_rollups_that_are_away_are_left_alone_and_asked_again_later():
    opened, now = [], [0.0]

    def away():
        opened.append(1)
        if now[0] == 0.0:
            raise Unavailable("another process writes them")
        return Counted()

    with asking(away, lambda: now[0]) as sold:
        assert [sold.best("books").result(WITHIN_S) for _ in range(5)] == [None] * 5
        assert len(opened) == 3
        now[0] = 10.0
        assert sold.best("books").result(WITHIN_S)[0][0] == "p"
