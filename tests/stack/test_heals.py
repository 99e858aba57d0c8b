"""A model that has to be healed again and again costs one start of its server, and then a heal now and then."""

import pytest

from conch.stack.failures import Patience
from conch.stack.heals import REST_S, TROUBLED_S, Heals

PATIENCE = Patience(failures=3, delays_s=(0.0, 0.5), steady_s=5.0)


@pytest.fixture
def heals():
    return Heals(PATIENCE)


def healed(heals, model, at, times):
    """What each heal waits for, one right after the other."""
    waits = []
    for _ in range(times):
        waits.append(heals.begin(model, at))
        heals.end(model, at)
    return waits


def test_each_heal_in_a_row_waits_longer_and_the_last_asks_for_a_new_server(heals):
    assert healed(heals, "intent", 0.0, 3) == [0.0, 0.5, None]
    assert not heals.rests("intent", 0.0)


def test_a_model_that_was_well_in_between_begins_anew(heals):
    assert healed(heals, "intent", 0.0, 2) == [0.0, 0.5]
    assert healed(heals, "intent", 5.0, 1) == [0.0]


def test_a_model_that_goes_on_dying_after_the_new_start_rests_and_costs_no_other_start(heals):
    healed(heals, "intent", 0.0, 3)
    at = 1.0
    for _ in range(20):
        assert None not in healed(heals, "intent", at, 3)
        assert heals.rests("intent", at)
        assert not heals.rests("intent", at + REST_S)
        at += REST_S


def test_others_are_counted_for_themselves(heals):
    healed(heals, "intent", 0.0, 3)
    healed(heals, "intent", 1.0, 3)
    assert healed(heals, "vad", 1.0, 3) == [0.0, 0.5, None]
    assert not heals.rests("vad", 1.0)


def test_trouble_after_a_long_calm_may_be_the_servers_again(heals):
    healed(heals, "intent", 0.0, 3)
    healed(heals, "intent", 1.0, 3)
    assert healed(heals, "intent", 1.0 + TROUBLED_S, 3)[-1] is None
