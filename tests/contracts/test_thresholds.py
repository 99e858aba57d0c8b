"""The gate's thresholds, and their way through a header."""

import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import InvalidRequest
from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds

shares = st.floats(0, 1)
logprobs = st.floats(-10, 0)


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    confirm, execute = sorted((draw(shares), draw(shares)))
    heard, *others = sorted(draw(st.tuples(logprobs, logprobs, logprobs, logprobs)))
    return Thresholds(execute, confirm, heard, *others, draw(shares))


@given(thresholds())
def test_thresholds_come_out_of_the_header_as_they_went_in(given_: Thresholds) -> None:
    assert Thresholds.decode(given_.encode()) == given_


def test_the_defaults_are_no_header() -> None:
    assert (DEFAULT_THRESHOLDS.encode(), Thresholds.decode("")) == ("", DEFAULT_THRESHOLDS)
    assert Thresholds(execute=0.9, dial_logprob=-0.25).encode() == "execute=0.9,dial_logprob=-0.25"


@pytest.mark.parametrize(
    "text", ["execute", "execute=", "execute=high", "x=1", "execute=2", "execute=1=2", "confirm=0.9"]
)
def test_a_header_that_is_not_ours_has_every_command_asked_back(text: str) -> None:
    strict = Thresholds.decode(text)
    assert strict == Thresholds(1.0, 0.0, summon_logprob=0.0, dial_logprob=0.0, yes_logprob=0.0)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"execute": 1.5}, "execute is 1.5, not a number from 0 to 1"),
        ({"execute": True}, "execute is True, not a number"),
        ({"execute": "0.9"}, "execute is '0.9', not a number"),
        ({"execute": math.nan}, "execute is nan, not a number"),
        ({"dial_logprob": 0.5}, "dial_logprob is 0.5, not a number from -10 to 0"),
        ({"execute": 0.7}, "confirm is 0.8, above execute, which is 0.7"),
        ({"dial_logprob": -2}, "heard_logprob is -1, above dial_logprob, which is -2"),
        ({"excute": 0.9}, "there is no excute; there are confirm, dial_logprob, execute"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        Thresholds.of(table)


def test_what_is_not_named_is_the_default() -> None:
    assert asdict(Thresholds.of({"execute": 1})) == {**asdict(DEFAULT_THRESHOLDS), "execute": 1}
