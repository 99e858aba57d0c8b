"""Where speech is, from probabilities that are written down."""

import numpy as np
import pytest

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from conch.models.speech import PADDING_S, Run, Speech, speech_of

WINDOW_S = 0.032
PADDING = round(PADDING_S * SPEECH_RATE)


def found(*probabilities, repeat=1):
    array = np.repeat(np.array(probabilities, np.float32), repeat)
    return speech_of(array, len(array) * VAD_WINDOW)


@pytest.mark.parametrize(
    "probabilities",
    [[0.0] * 20, [0.4] * 20, [0, 0, 0.9, 0.9, 0, 0], []],
    ids=["nothing", "never sure", "a click of 64 ms", "no audio"],
)
def test_no_speech_is_none(probabilities):
    assert found(*probabilities) is None


def test_speech_is_kept_with_padding_on_both_sides():
    heard = found(0, 0.9, 0, repeat=50)
    assert heard == Speech(50 * VAD_WINDOW - PADDING, 100 * VAD_WINDOW + PADDING, (Run(50 * WINDOW_S, 100 * WINDOW_S),))
    assert heard.speech_s == pytest.approx(1.6)


def test_padding_ends_where_the_audio_does():
    assert found(0.9, repeat=10) == Speech(0, 10 * VAD_WINDOW, (Run(0.0, 10 * WINDOW_S),))


def test_speech_lasts_while_it_stays_probable_and_starts_only_when_it_is_sure():
    assert found(0, 0.4, 0.9, 0.4, 0, repeat=10).runs == (Run(10 * WINDOW_S, 40 * WINDOW_S),)


def test_a_pause_is_within_the_speech_and_no_part_of_its_seconds():
    heard = found(0, 0.9, 0, 0.9, 0, repeat=50)
    assert (heard.start, heard.end) == (50 * VAD_WINDOW - PADDING, 200 * VAD_WINDOW + PADDING)
    assert heard.speech_s == pytest.approx(100 * WINDOW_S)


def test_the_last_window_may_be_longer_than_the_audio():
    samples = 10 * VAD_WINDOW - 300
    heard = speech_of(np.full(10, 0.9, np.float32), samples)
    assert heard == Speech(0, samples, (Run(0.0, samples / SPEECH_RATE),))
