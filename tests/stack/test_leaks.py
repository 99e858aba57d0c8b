"""Processes that grow, and processes that have grown."""

import pytest

from conch.stack.leaks import LeakBound, Leaks, Sample, slope
from conch.stack.processes import ProcessMark

MIB = 2**20
BOUND = LeakBound(window_s=60, bytes_per_s=MIB)
ONE, OTHER = ProcessMark(1, 0, "boot"), ProcessMark(2, 0, "boot")


def seen(rss, seconds=range(0, 121, 5)):
    """What is said of a process at each of these seconds."""
    leaks = Leaks(BOUND)
    return [bool(leaks.see(at, {ONE: int(rss(at) * MIB)})) for at in seconds]


def test_steady_growth_is_a_leak_once_a_window_has_passed():
    assert seen(lambda at: 100 + 2 * at) == [at >= 60 for at in range(0, 121, 5)]


HARMLESS = {
    "it stays as it is": lambda at: 100,
    "it goes up and down": lambda at: 100 + 40 * (at % 10),
    "a step": lambda at: 100 if at < 40 else 1000,
    "it grows at first": lambda at: min(at, 30) * 10,
    "it grows slowly": lambda at: 100 + at / 2,
    "it shrinks": lambda at: 1000 - 2 * at,
}


@pytest.mark.parametrize("rss", HARMLESS.values(), ids=HARMLESS)
def test_what_comes_to_an_end_or_grows_slowly_is_none(rss):
    assert not any(seen(rss))


def test_growth_with_noise_is_measured():
    leaks = Leaks(BOUND)
    for at in range(0, 61, 5):
        found = leaks.see(at, {ONE: (100 + 2 * at + 3 * (at % 10)) * MIB, OTHER: 100 * MIB})
    assert found.keys() == {ONE}
    assert found[ONE] == pytest.approx(2 * MIB, rel=0.5)


def test_a_process_that_went_away_is_forgotten():
    leaks = Leaks(BOUND)
    for at in range(0, 60, 5):
        leaks.see(at, {ONE: at * 2 * MIB})
    leaks.see(60, {})
    assert leaks.see(65, {ONE: 130 * MIB}) == {}


def test_the_slope_of_a_line_is_its_own():
    assert slope([Sample(at, 7 * at + 3) for at in range(5)]) == pytest.approx(7)
    assert slope([Sample(1, 5)]) == 0
