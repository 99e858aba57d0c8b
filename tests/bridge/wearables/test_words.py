"""Word errors, held against jiwer."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.wearables.words import WordErrors, word_errors

words = st.lists(st.sampled_from(["call", "john", "stop", "the", "belt"]), max_size=8)


@given(words.filter(bool), words)
def test_they_are_as_many_as_jiwer_counts(said, heard):
    counted = jiwer.process_words(" ".join(said), " ".join(heard))
    errors = counted.substitutions + counted.deletions + counted.insertions
    assert word_errors(" ".join(said), " ".join(heard)) == WordErrors(errors, len(said))


def test_case_and_punctuation_are_nobodys_error():
    assert word_errors("Stop the belt!", "stop, the belt").rate == 0


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [("", "", None), ("", "thank you", 2.0), ("stop", "", 1.0), ("stop", "stop it now", 2.0)],
    ids=["nothing of nothing", "invented", "unheard", "more than was said"],
)
def test_the_rate_is_of_words_that_were_said(said, heard, rate):
    assert word_errors(said, heard).rate == rate


def test_errors_of_several_add_up():
    assert word_errors("stop the belt", "stop belt") + word_errors("call john", "call john") == WordErrors(1, 5)
