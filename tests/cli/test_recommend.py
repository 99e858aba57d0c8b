"""`conch recommend` and `conch track`: what is printed, and what is read."""

import pytest

from conch.cli.recommend import event_in, why
from conch.contracts.errors import InvalidRequest
from conch.contracts.recommendation import Item, Provenance


def test_an_items_reasons_are_one_line():
    reason = Provenance(("semantic", "category_liked"), because_master="m1", changes=("boosted", "flash_sale"))
    assert why(Item("p", "m", 1.0, provenance=reason)) == "semantic, category_liked of m1; boosted; flash sale"
    assert why(Item("p", "m", 1.0)) == ""


def test_an_events_catalogue_is_the_callers_own():
    assert event_in('{"kind": "view", "catalogue": "other", "pid": "p"}', 1) == {"kind": "view", "pid": "p"}


@pytest.mark.parametrize("line", ["{", "[1]", '"view"'])
def test_a_line_that_is_no_event_is_named(line):
    with pytest.raises(InvalidRequest, match="line 7"):
        event_in(line, 7)
