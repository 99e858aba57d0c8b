"""Invented text is told from spoken text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.models.rejection import Rejected, compression_ratio, echoes, judge, loops

WORDS = st.text("abcdefghijklmnopqrstuvwxyzăâđêôơưáàảãạ", min_size=1, max_size=8)

SURE = {"no_speech_prob": 0.01, "avg_logprob": -0.2}


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        (SURE, Rejected.NOT),
        ({"no_speech_prob": 0.6, "avg_logprob": -1.0}, Rejected.NOT),
        ({"no_speech_prob": 0.61, "avg_logprob": -0.2}, Rejected.NO_SPEECH),
        ({"no_speech_prob": 0.01, "avg_logprob": -1.01}, Rejected.LOW_CONFIDENCE),
    ],
    ids=["sure", "on both bounds", "no speech", "low confidence"],
)
def test_scores_beyond_their_bounds_reject_a_text(scores, verdict):
    assert judge("Summon the maintenance team.", "", **scores) is verdict


@pytest.mark.parametrize(
    "text",
    [
        "Thank you. Thank you. Thank you. Thank you.",
        "you you you you you you",
        "Hãy subscribe cho kênh! Hãy subscribe cho kênh! Hãy subscribe cho kênh! Hãy subscribe cho kênh!",
        "I want to go to the the the the the the the",
        "prede-prede-prede-prede-prede-prede",
        "Hahahahahahahahahahahaha",
        "ご視聴" * 10,
        "1.5.1.5." * 40,
    ],
)
def test_a_loop_is_rejected_however_sure_it_is(text):
    assert judge(text, "", no_speech_prob=0.0, avg_logprob=-0.05) is Rejected.LOOP


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No, no, no, no.",
        "Bye bye.",
        "Call 0000 0000 00 00 00 00 00 00",
        "step 1 step 2 step 3 step 4 step 5 step 6 step 7",
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness",
        "Turn it left, turn it right, turn it left, turn it right.",
        "And so my fellow Americans ask not what your country can do for you, ask what you can do for your country.",
        "mississippi",
    ],
)
def test_what_people_say_is_no_loop(text):
    assert judge(text, "", **SURE) is Rejected.NOT


@given(phrase=st.lists(WORDS, min_size=2, max_size=12), turns=st.integers(4, 9), before=st.lists(WORDS, max_size=5))
def test_any_phrase_four_times_in_a_row_is_a_loop(phrase, turns, before):
    assert loops(" ".join([*before, *phrase * turns]))


@given(st.lists(st.text("abcdefghijklmnop", min_size=2, max_size=8), max_size=60, unique=True))
def test_words_that_are_all_different_are_no_loop(words):
    # A dash of letters alone could repeat across words: set them apart by one letter that is theirs.
    text = " ".join(f"{word}{chr(0x4E00 + index)}" for index, word in enumerate(words))
    assert not loops(text)


def test_the_compression_ratio_grows_with_repetition():
    assert compression_ratio("") == 0
    assert compression_ratio("Turn on the light.") < 1
    assert compression_ratio("Turn on the light. " * 20) > 2.4


def test_an_echo_of_the_hints_needs_better_scores_than_other_text():
    hints = "Nguyen, Kowalski, maintenance team"
    doubtful = {"no_speech_prob": 0.32, "avg_logprob": -0.89}
    assert judge("Nguyen", hints, **doubtful) is Rejected.LOW_CONFIDENCE
    assert judge("Call Nguyen", hints, **doubtful) is Rejected.NOT
    assert judge("Nguyen", hints, no_speech_prob=0.01, avg_logprob=-0.65) is Rejected.NOT


def test_an_echo_is_of_words_whatever_their_case_and_marks():
    assert echoes("KOWALSKI! Team?", "Nguyen, Kowalski, maintenance team")
    assert not echoes("Kowal", "Kowalski")
