"""Cutting recordings whose speech is written down: each character is one tenth of a second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from gateway.cutting import WINDOW_S, Cutter, Cutting, Piece

CUTTING = Cutting()


def cut(
    voiced: list[bool], loudness: list[int] | None = None, cutting: Cutting = CUTTING, at_once: int = 7
) -> list[Piece]:
    """Pieces of a recording with that speech, a window an item, fed a few windows at a time."""
    loud = loudness or [1000] * len(voiced)
    pcm = np.concatenate([np.zeros(0, np.int16), *[np.full(VAD_WINDOW, level, np.int16) for level in loud]])
    pcm = (pcm + np.arange(len(pcm)) % 7).astype(np.int16)
    cutter, pieces = Cutter(cutting), []
    for start in range(0, len(voiced), at_once):
        chunk = [0.9 if one else 0.1 for one in voiced[start : start + at_once]]
        pieces += cutter.feed(pcm[start * VAD_WINDOW : (start + len(chunk)) * VAD_WINDOW], chunk)
    pieces += cutter.finish(len(pcm))
    for piece in pieces:
        np.testing.assert_array_equal(piece.pcm, pcm[piece.start : piece.start + len(piece.pcm)])
    return pieces


def speech(*parts: tuple[str, float]) -> list[bool]:
    return [kind == "speech" for kind, seconds in parts for _ in range(round(seconds / WINDOW_S))]


def spans(pieces: list[Piece]) -> list[tuple[float, float]]:
    return [(round(piece.start_s, 1), round(piece.end_s, 1)) for piece in pieces]


def test_silence_has_no_pieces() -> None:
    assert cut(speech(("silence", 60))) == []


def test_nothing_has_no_pieces() -> None:
    assert cut([]) == []


def test_speech_is_given_with_what_stands_around_it() -> None:
    assert spans(cut(speech(("silence", 5), ("speech", 2), ("silence", 5)))) == [(4.7, 7.3)]


def test_speech_from_the_first_sample_to_the_last_is_all_given() -> None:
    assert spans(cut(speech(("speech", 4)))) == [(0.0, 4.0)]


def test_a_long_pause_cuts() -> None:
    assert spans(cut(speech(("speech", 2), ("silence", 3), ("speech", 2)))) == [(0.0, 2.3), (4.7, 7.0)]


def test_a_short_pause_stays_in_a_short_piece() -> None:
    assert spans(cut(speech(("speech", 2), ("silence", 0.5), ("speech", 2)))) == [(0.0, 4.5)]


def test_a_short_pause_cuts_a_piece_that_is_long_enough() -> None:
    assert spans(cut(speech(("speech", 10), ("silence", 0.5), ("speech", 2)))) == [(0.0, 10.3), (10.3, 12.5)]


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    voiced = speech(("speech", 40))
    loudness = [1000] * len(voiced)
    quiet = round(22 / WINDOW_S)
    loudness[quiet - 2 : quiet + 3] = [50] * 5
    pieces = cut(voiced, loudness)
    assert spans(pieces) == [(0.0, 22.0), (22.0, 40.0)]


def test_a_click_is_no_speech() -> None:
    assert cut([False] * 50 + [True] + [False] * 50) == []


def test_a_short_word_is_speech() -> None:
    assert len(cut([False] * 50 + [True] * 5 + [False] * 50)) == 1


def test_the_padding_of_the_last_window_is_not_given() -> None:
    cutter = Cutter(CUTTING)
    cutter.feed(np.zeros(10 * VAD_WINDOW, np.int16), [0.9] * 10)
    (piece,) = cutter.finish(10 * VAD_WINDOW - 100)
    assert len(piece.pcm) == 10 * VAD_WINDOW - 100


def test_what_is_decided_follows_the_open_piece() -> None:
    cutter = Cutter(CUTTING)
    cutter.feed(np.zeros(100 * VAD_WINDOW, np.int16), [0.1] * 100)
    assert cutter.decided_s == pytest.approx(100 * WINDOW_S)
    cutter.feed(np.zeros(50 * VAD_WINDOW, np.int16), [0.9] * 50)
    assert cutter.decided_s == pytest.approx(100 * WINDOW_S - CUTTING.pad_s, abs=WINDOW_S)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=12), st.integers(1, 400))
def test_pieces_are_in_order_apart_short_enough_and_hold_all_speech(runs: list[tuple[bool, int]], at_once: int) -> None:
    voiced = [kind for kind, count in runs for _ in range(count)]
    pieces = cut(voiced, at_once=at_once)
    covered = np.zeros(len(voiced), bool)
    previous = 0
    for piece in pieces:
        assert piece.start >= previous
        previous = piece.start + len(piece.pcm)
        assert len(piece.pcm) <= CUTTING.longest_s * SPEECH_RATE
        covered[piece.start // VAD_WINDOW : previous // VAD_WINDOW] = True
    missed = [index for index, one in enumerate(voiced) if one and not covered[index]]
    # Only clicks may be missed: runs shorter than what counts as speech, with a pause on both sides.
    assert len(missed) <= sum(kind and count < CUTTING.least_windows for kind, count in runs)


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 50))
def test_pieces_do_not_depend_on_how_the_audio_arrives(voiced: list[bool], at_once: int) -> None:
    whole = cut(voiced, at_once=max(len(voiced), 1))
    parts = cut(voiced, at_once=at_once)
    assert [(piece.start, len(piece.pcm)) for piece in whole] == [(piece.start, len(piece.pcm)) for piece in parts]
