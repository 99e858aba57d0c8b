"""Who leaves for whom."""

import pytest

from conch.rollout.on_demand.room import Occupant, to_leave

OLD, NEW, NEWER = Occupant("old", 40, 1.0), Occupant("new", 30, 2.0), Occupant("newer", 20, 3.0)


@pytest.mark.parametrize(
    ("needed", "bound", "leaving"),
    [
        pytest.param(10, 100, [], id="there is room"),
        pytest.param(11, 100, ["old"], id="a byte is missing"),
        pytest.param(70, 100, ["old", "new"], id="one is not enough"),
        pytest.param(101, 100, ["old", "new", "newer"], id="nothing would do"),
        pytest.param(0, 80, ["old"], id="the bound has become less"),
        pytest.param(10**12, None, [], id="there is no bound"),
    ],
)
def test_whoever_was_called_longest_ago_leaves_and_no_more_than_need_be(needed, bound, leaving):
    assert to_leave([NEWER, OLD, NEW], needed, bound) == leaving
