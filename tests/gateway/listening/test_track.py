"""Offsets of the caller's rate, whatever the rate; and audio that is the same in whatever chunks it comes."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from gateway.listening.endpointing import Ending, Endpointing
from gateway.listening.track import Begun, Track, Utterance

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000)


def tone(rate: int, seconds: float) -> np.ndarray:
    at = np.arange(round(rate * seconds)) / rate
    return (8000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)


def loudness(windows: np.ndarray) -> list[float]:
    return [0.9 if np.abs(window).max() > 2000 else 0.05 for window in windows.reshape(-1, VAD_WINDOW)]


def heard(track: Track, pcm: np.ndarray, sizes: list[int]) -> list[Begun | Utterance]:
    at, told = 0, []
    for index in range(len(pcm)):
        if at >= len(pcm):
            break
        size = sizes[index % len(sizes)]
        windows = track.windows(pcm[at : at + size])
        told += track.hear(windows, loudness(windows))
        at += size
    windows = track.last_windows()
    return [*told, *track.hear(windows, loudness(windows)), *track.finish(Ending.CLOSED)]


@pytest.mark.parametrize("rate", RATES)
def test_an_utterance_stands_where_it_was_said(rate: int) -> None:
    silence = np.zeros(rate, np.int16)
    pcm = np.concatenate([silence, tone(rate, 0.5), silence])
    first = 7 * rate
    begun, utterance = heard(Track(rate, first, Endpointing()), pcm, [rate // 5])
    assert isinstance(begun, Begun)
    assert isinstance(utterance, Utterance)
    assert begun.start_offset == utterance.start_offset
    assert utterance.speech_offset / rate == pytest.approx(8.0, abs=0.04)
    assert utterance.end_offset / rate == pytest.approx(8.8, abs=0.05)
    whole = pcm if rate == SPEECH_RATE else soxr.resample(pcm, rate, SPEECH_RATE)
    start = round((utterance.start_offset - first) * SPEECH_RATE / rate)
    same = whole[start : start + len(utterance.pcm)].astype(int)
    assert np.abs(same[1000:-1000] - utterance.pcm[1000 : len(same) - 1000]).max() < 600


@pytest.mark.parametrize("rate", RATES)
@given(st.lists(st.integers(100, 9000), min_size=1, max_size=5))
@settings(max_examples=6, deadline=None)
def test_the_size_of_chunks_makes_no_difference(rate: int, sizes: list[int]) -> None:
    pcm = np.concatenate([np.zeros(rate // 2, np.int16), tone(rate, 0.4), np.zeros(rate, np.int16)])
    one = heard(Track(rate, 0, Endpointing()), pcm, [len(pcm)])
    other = heard(Track(rate, 0, Endpointing()), pcm, sizes)
    assert [told.start_offset for told in one] == [told.start_offset for told in other]
    for left, right in zip(one, other, strict=True):
        if isinstance(left, Utterance):
            assert isinstance(right, Utterance)
            assert (left.end_offset, left.ending) == (right.end_offset, right.ending)
            assert np.abs(left.pcm.astype(int) - right.pcm).max() <= 1


@pytest.mark.parametrize("rate", RATES)
def test_an_utterance_ends_with_the_samples_that_were_given(rate: int) -> None:
    pcm = np.concatenate([np.zeros(rate // 2, np.int16), tone(rate, 0.61)])
    *_, utterance = heard(Track(rate, 100, Endpointing()), pcm, [997])
    assert isinstance(utterance, Utterance)
    assert (utterance.end_offset, utterance.ending) == (100 + len(pcm), Ending.CLOSED)


def test_what_is_decided_never_passes_what_was_given() -> None:
    track, decided = Track(44_100, 50, Endpointing()), 50
    for step in range(200):
        windows = track.windows(np.zeros(441, np.int16))
        track.hear(windows, loudness(windows))
        assert decided <= track.decided_to <= 50 + 441 * (step + 1)
        decided = track.decided_to
    assert decided > 44_100
