"""The log-mel spectrogram, held against its definition computed the slow way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.models.mel import FFT, HOP, LogMel, mel_filters

WINDOW = 100
"""Frames: a second, to keep the slow way bearable."""


def slow_log_mel(audio, window, bands):
    """A discrete Fourier transform written as its sum, over the audio and all of the silence behind it."""
    full = np.zeros(window * HOP)
    full[: len(audio)] = audio
    padded = np.concatenate([full[1 : FFT // 2 + 1][::-1], full, full[-FFT // 2 - 1 : -1][::-1]])
    times = np.arange(FFT)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * times / FFT)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(FFT // 2 + 1), times) / FFT)
    power = np.stack([np.abs(waves @ (padded[at : at + FFT] * hann)) ** 2 for at in range(0, window * HOP, HOP)], 1)
    log = np.log10(np.maximum(mel_filters(bands) @ power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def sound(samples, seed, loudness):
    generator = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * generator.uniform(50, 7_000) * np.arange(samples) / 16_000)
    return (loudness * (0.7 * tone + 0.3 * generator.uniform(-1, 1, samples))).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(
    samples=st.one_of(st.integers(1, WINDOW * HOP), st.sampled_from([WINDOW * HOP, WINDOW * HOP - 1, 199, 200, 201])),
    seed=st.integers(0, 1_000),
    loudness=st.sampled_from([1.0, 0.1, 0.001]),
    bands=st.sampled_from([80, 128]),
)
def test_it_is_what_the_definition_gives(samples, seed, loudness, bands):
    audio = sound(samples, seed, loudness)
    np.testing.assert_allclose(LogMel(bands)(audio, WINDOW), slow_log_mel(audio, WINDOW, bands), atol=2e-4)


def test_silence_that_is_written_is_the_silence_that_would_be_computed():
    audio = sound(5_000, 3, 0.5)
    silent = np.concatenate([audio, np.zeros(1_500 * HOP - len(audio), np.float32)])
    np.testing.assert_array_equal(LogMel(80)(audio, 1_500), LogMel(80)(silent, 1_500))


def test_audio_beyond_the_window_is_not_heard():
    audio = sound(WINDOW * HOP * 2, 5, 0.5)
    np.testing.assert_array_equal(LogMel(80)(audio, WINDOW), LogMel(80)(audio[: WINDOW * HOP], WINDOW))


@pytest.mark.parametrize("bands", [80, 128])
def test_filters_are_triangles_of_equal_area_that_cover_all_frequencies(bands):
    filters = mel_filters(bands)
    assert filters.shape == (bands, 201)
    assert (filters >= 0).all()
    assert (filters[:, 1:-1].sum(axis=0) > 0).all()
    peaks = np.argmax(filters, axis=1)
    assert (np.diff(peaks) >= 0).all()
    # Broad ones, where 40 Hz bins are fine enough to see it: each has the area 1.
    np.testing.assert_allclose(filters[-20:].sum(axis=1) * 40, 1, atol=0.05)


def test_a_tone_is_loudest_in_the_band_of_its_frequency():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    band = int(np.argmax(LogMel(80)(tone, WINDOW)[:, 50]))
    assert mel_filters(80)[band, 1_000 // 40] > 0
