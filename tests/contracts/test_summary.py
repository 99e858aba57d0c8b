"""The summary of a list: what goes in comes out, and what is none is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import InvalidRequest
from conch.contracts.summary import Standing, Summary

TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
COUNT = st.integers(0, 2**32 - 1)
SCORE = st.none() | st.floats(allow_nan=False, allow_infinity=False)
STANDING = st.builds(Standing, TEXT, st.none() | COUNT, st.none() | COUNT, SCORE, SCORE)
SUMMARY = st.builds(
    Summary,
    *[TEXT] * 4,
    degraded=st.lists(TEXT, max_size=3).map(tuple),
    dropped=st.dictionaries(TEXT, COUNT, max_size=3),
    explanation=st.none() | STANDING,
)


@given(SUMMARY)
def test_what_is_encoded_is_decoded(summary):
    assert Summary.decode(summary.encode()) == Summary.decode(summary.encode().encode()) == summary


def test_every_key_is_there_and_an_explanation_has_what_it_knows():
    assert json.loads(Summary(explanation=Standing("candidate", 0, rank=1, score=0.0)).encode()) == {
        "recommendation_id": "",
        "widget": "",
        "variant": "",
        "segment": "",
        "fallback": "",
        "degraded": [],
        "dropped": {},
        "explanation": {"state": "candidate", "master": 0, "rank": 1, "score": 0.0},
    }


def test_what_a_newer_step_adds_is_passed_over():
    assert Summary.decode('{"widget": "home", "mood": ["fine"]}') == Summary(widget="home")


@given(st.text() | st.binary())
def test_anything_else_is_refused_and_nothing_worse(text):
    try:
        Summary.decode(text)
    except InvalidRequest:
        return
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("text", ["{", "null", '{"degraded": "redis"}', '{"explanation": {}}', '{"a":' * 10**5])
def test_what_is_wrong_is_told(text):
    with pytest.raises(InvalidRequest, match=r"^summary is not as its contract says: \w+"):
        Summary.decode(text)
