"""Tokens become words, positions become seconds. The vocabulary here is made up: a token's text is its entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.models.decoder import Aligned
from conch.models.speech import Run, Speech
from conch.models.words import join, without_pause, words_of

RATE = 16_000


def decoder(vocabulary):
    """Decodes like a byte-level tokenizer: a character whose bytes are not all there is U+FFFD."""
    return lambda ids: b"".join(vocabulary[token] for token in ids).decode(errors="replace")


def vocabulary(*pieces):
    return [piece if isinstance(piece, bytes) else piece.encode() for piece in pieces]


def joined(pieces, language="en"):
    decode = decoder(vocabulary(*pieces))
    return [decode(group) for group in join(range(len(pieces)), decode, language)]


@pytest.mark.parametrize(
    ("pieces", "language", "words"),
    [
        ([" Sum", "mon", " the", " team", "."], "en", [" Summon", " the", " team."]),
        ([" “", "Go", "”", ",", " he", " said"], "en", [" “Go”,", " he", " said"]),
        ([' "', "Go", '"', " he"], "en", [' "Go"', " he"]),
        ([" (", "stop", ")", " now"], "en", [" (stop)", " now"]),
        ([" it", "'s", " 12", "-", "ounce"], "en", [" it's", " 12-ounce"]),
        ([" đi", b" v\xe1\xbb", b"\x81", " nhà"], "vi", [" đi", " về", " nhà"]),
        (["東京", "は", "晴", "れ", "。"], "ja", ["東京", "は", "晴", "れ。"]),
        (["...", " and"], "en", ["...", " and"]),
        ([], "en", []),
    ],
    ids=[
        "pieces",
        "curly quotes",
        "straight quotes",
        "brackets",
        "inner marks",
        "split bytes",
        "no spaces",
        "dots",
        "nothing",
    ],
)
def test_tokens_join_to_words(pieces, language, words):
    assert joined(pieces, language) == words


@given(st.lists(st.binary(min_size=1, max_size=3), max_size=12), st.sampled_from(["en", "ja"]))
def test_no_token_is_lost_and_none_moves(pieces, language):
    groups = join(range(len(pieces)), decoder(pieces), language)
    assert [token for group in groups for token in group] == list(range(len(pieces)))


def speech(*runs, start_s=0.0, end_s=30.0):
    return Speech(round(start_s * RATE), round(end_s * RATE), tuple(Run(*run) for run in runs))


def test_a_word_lasts_from_its_first_token_to_the_next_word_s():
    decode = decoder(vocabulary(" Sum", "mon", " Eve"))
    # Positions of 20 ms: the first word from 0.2 to 0.8 s after the cut, the second to 1.2 s, where the text ends.
    aligned = Aligned([(0, 10), (0, 20), (1, 30), (2, 40), (2, 50), (3, 60)], [0.5, 1.0, 0.9])
    words = words_of([0, 1, 2], decode, "en", aligned, speech((0.0, 30.0), start_s=2.0))
    assert [(word.text, round(word.start_s, 3), round(word.end_s, 3), word.probability) for word in words] == [
        ("Summon", 2.2, 2.8, 0.75),
        ("Eve", 2.8, 3.2, 0.9),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1_499)), max_size=40),
    st.floats(0, 5),
    st.floats(0.1, 20),
    st.lists(st.floats(0, 25), min_size=2, max_size=8),
)
def test_words_rise_and_stay_within_the_speech_however_odd_the_alignment(pairs, start_s, length_s, edges):
    ids = list(range(10))
    decode = decoder(vocabulary(*(f" word{token}" for token in ids)))
    edges = sorted(edges)
    heard = speech(*zip(edges[::2], edges[1::2], strict=False), start_s=start_s, end_s=start_s + length_s)
    words = words_of(ids, decode, "en", Aligned(pairs, [0.5] * 10), heard)
    times = [time for word in words for time in (word.start_s, word.end_s)]
    assert len(words) == 10
    assert times == sorted(times)
    assert heard.start / RATE <= times[0]
    assert times[-1] <= heard.end / RATE


@pytest.mark.parametrize(
    ("word", "spoken"),
    [((1.0, 2.0), (1.0, 2.0)), ((2.5, 5.0), (3.9, 5.0)), ((4.5, 9.0), (4.5, 6.1)), ((2.5, 3.5), (2.5, 3.5))],
    ids=["within speech", "pause before", "pause after", "within a pause"],
)
def test_a_pause_is_no_part_of_a_word(word, spoken):
    assert without_pause(*word, [Run(0.5, 2.2), Run(4.0, 6.0)]) == pytest.approx(spoken)
