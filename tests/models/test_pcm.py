"""PCM at any rate becomes what the speech models hear."""

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest
from conch.models.pcm import milliseconds, speech_pcm


def tone(rate, seconds=1.0, hertz=440.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_and_loudness(rate):
    heard = speech_pcm(tone(rate), rate, 30)
    assert heard.dtype == np.float32
    assert abs(len(heard) - 16_000) <= 1
    middle = slice(2_000, 14_000)
    np.testing.assert_allclose(heard[middle], tone(16_000)[middle], atol=0.01)


def test_frequencies_above_8_khz_are_filtered_out_and_not_folded_down():
    heard = speech_pcm(tone(48_000, hertz=13_000), 48_000, 30)
    assert np.abs(heard[2_000:14_000]).max() < 0.001


def test_int16_is_scaled_to_one():
    heard = speech_pcm(np.array([-32768, 0, 16384], np.int16), 16_000, 30)
    assert heard.tolist() == [-1.0, 0.0, 0.5]


def test_no_audio_stays_no_audio():
    assert len(speech_pcm(np.zeros(0, np.int16), 8_000, 30)) == 0


@pytest.mark.parametrize("samples", [1, 2, 10])
def test_audio_shorter_than_the_resampler_s_filter_is_resampled(samples):
    assert len(speech_pcm(np.zeros(samples, np.int16), 48_000, 30)) <= samples


@pytest.mark.parametrize("rate", [0, -16_000, 7_999, 48_001, 2**31 - 1])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(InvalidRequest, match=f"sample_rate is {rate}, the model takes 8000 to 48000"):
        speech_pcm(np.zeros(100, np.int16), rate, 30)


def test_thirty_seconds_pass_and_one_sample_more_does_not():
    assert len(speech_pcm(np.zeros(240_000, np.int16), 8_000, 30)) == 480_000
    with pytest.raises(InvalidRequest, match=r"the audio is 31\.00 s, one call takes 30\.00 s"):
        speech_pcm(np.zeros(248_000, np.int16), 8_000, 30)
    with pytest.raises(InvalidRequest):
        speech_pcm(np.zeros(240_001, np.int16), 8_000, 30)


def test_integers_in_float_s_clothing_are_refused():
    with pytest.raises(InvalidRequest, match=r"pcm reaches 16384, floats lie between -1 and 1"):
        speech_pcm(tone(16_000) * 32_768, 16_000, 30)


@pytest.mark.parametrize(
    ("samples", "rates", "expected"),
    [
        (np.zeros((1, 16_000), np.int16), [16_000], 1000),
        (np.zeros((2, 16_000), np.float32), [16_000, 8_000], 3000),
        (np.zeros((1, 1), np.int16), [48_000], 1),
        (np.zeros((1, 0), np.int16), [16_000], 0),
        (np.zeros((3, 16_000), np.int16), [0, -16_000, 2**31 - 1], 0),
    ],
    ids=["a second", "rows of two rates", "a part of a millisecond", "nothing", "rates that are refused"],
)
def test_audio_is_as_long_as_its_rate_says(samples, rates, expected):
    assert milliseconds(samples, np.array(rates, np.int32)[:, np.newaxis]) == expected
