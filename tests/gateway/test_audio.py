"""Decoding: every file becomes the same mono 16 kHz samples, a block at a time."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest, TooMuch
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.voice import AudioInfo
from gateway import audio
from gateway.audio import AudioFile, RawPcm
from tests.gateway.conftest import silence, tone, wav


def decoded(content: bytes, longest_s: float = 3600.0, raw: RawPcm | None = None) -> np.ndarray:
    file = AudioFile(io.BytesIO(content), longest_s, raw)
    blocks = []
    while (block := file.read_block()) is not None:
        blocks.append(block)
    return np.concatenate(blocks)


def frequency(pcm: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(pcm.astype(np.float64)))) * SPEECH_RATE / len(pcm))


def test_what_is_mono_16_khz_already_comes_as_it_is() -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 25 * SPEECH_RATE).astype(np.int16)
    np.testing.assert_array_equal(decoded(wav(samples)), samples)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channels_keep_length_and_pitch(rate: int, channels: int) -> None:
    samples = np.stack([tone(700, 11.5, rate)] * channels, axis=1)
    pcm = decoded(wav(samples, rate))
    assert len(pcm) == pytest.approx(11.5 * SPEECH_RATE, abs=2)
    assert frequency(pcm) == pytest.approx(700, abs=1)


@pytest.mark.parametrize(
    "options",
    [
        {"subtype": "PCM_U8"},
        {"subtype": "PCM_24"},
        {"subtype": "FLOAT"},
        {"subtype": "ULAW"},
        {"format": "WAVEX"},
        {"format": "RF64"},
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    ],
    ids=lambda options: "-".join(options.values()),
)
def test_every_format_that_is_taken_keeps_length_and_pitch(options: dict[str, str]) -> None:
    pcm = decoded(wav(tone(500, 12.0, 24000), 24000, **options))
    assert len(pcm) == pytest.approx(12 * SPEECH_RATE, abs=2)
    assert frequency(pcm) == pytest.approx(500, abs=1)
    assert np.abs(pcm).max() == pytest.approx(0.4 * 32768, rel=0.1)


def test_opus_is_taken() -> None:
    pcm = decoded(wav(tone(500, 3.0, 48000), 48000, format="OGG", subtype="OPUS"))
    assert len(pcm) == pytest.approx(3 * SPEECH_RATE, abs=2)


def test_channels_are_mixed() -> None:
    pcm = decoded(wav(np.stack([tone(500, 1.0), -tone(500, 1.0)], axis=1)))
    assert np.abs(pcm).max() <= 1


def test_too_loud_samples_are_clipped_and_do_not_wrap() -> None:
    assert decoded(wav(3 * tone(500, 1.0), subtype="FLOAT")).max() == 32767


def test_the_header_is_told() -> None:
    file = AudioFile(io.BytesIO(wav(np.zeros((44100, 2)), 44100)), 30)
    assert file.info == AudioInfo(1.0, 44100, 2)


def test_raw_samples_are_big_endian_as_on_the_network() -> None:
    samples = np.arange(-500, 500, dtype=np.int16)
    np.testing.assert_array_equal(decoded(samples.astype(">i2").tobytes(), raw=RawPcm(SPEECH_RATE)), samples)


@pytest.mark.parametrize("raw", [RawPcm(1), RawPcm(10**9), RawPcm(16000, 0), RawPcm(16000, 99)])
def test_raw_samples_of_an_absurd_shape_are_refused(raw: RawPcm) -> None:
    with pytest.raises(InvalidRequest):
        decoded(b"\0\0" * 100, raw=raw)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000], ids=hex)
def test_a_wav_written_to_a_pipe_is_as_long_as_it_is(size: int) -> None:
    content = bytearray(wav(tone(500, 2.0)))
    content[40:44] = size.to_bytes(4, "little")
    assert len(decoded(bytes(content))) == 2 * SPEECH_RATE


def test_a_flac_written_to_a_pipe_is_read_but_for_its_last_moment() -> None:
    content = bytearray(wav(tone(500, 12.0), format="FLAC"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    assert AudioFile(io.BytesIO(bytes(content)), 30).info.duration_s == 0
    assert 12 * SPEECH_RATE - 256 <= len(decoded(bytes(content))) <= 12 * SPEECH_RATE


def test_a_header_that_does_not_know_its_length_does_not_lift_the_limit() -> None:
    content = bytearray(wav(silence(120.0), format="FLAC"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    with pytest.raises(TooMuch, match="at most 30 s"):
        decoded(bytes(content), longest_s=30)


def test_a_breath_more_than_the_limit_is_taken() -> None:
    assert len(decoded(wav(silence(30.9)), longest_s=30)) == round(30.9 * SPEECH_RATE)
    with pytest.raises(TooMuch, match=r"31\.1 s long, at most 30 s"):
        decoded(wav(silence(31.1)), longest_s=30)


@pytest.mark.parametrize("cut", [1, 100, 0.03, 0.5])
@pytest.mark.parametrize(
    "options",
    [{}, {"format": "RF64"}, {"format": "FLAC"}, {"format": "OGG", "subtype": "VORBIS"}],
    ids=lambda options: options.get("format", "WAV"),
)
def test_a_cut_file_is_truncated_wherever_it_is_cut(options: dict[str, str], cut: float) -> None:
    content = wav(np.random.default_rng(2).normal(0, 0.1, 12 * SPEECH_RATE), **options)
    missing = cut if cut >= 1 else round(len(content) * cut)
    with pytest.raises(InvalidRequest, match="truncated"):
        decoded(content[: -int(missing)])


@pytest.mark.parametrize("keep", range(0, 60, 4))
@pytest.mark.parametrize(
    "options",
    [{}, {"format": "FLAC"}, {"format": "OGG", "subtype": "VORBIS"}, {"format": "MP3", "subtype": "MPEG_LAYER_III"}],
    ids=lambda options: options.get("format", "WAV"),
)
def test_a_header_alone_is_refused(options: dict[str, str], keep: int) -> None:
    with pytest.raises(InvalidRequest):
        decoded(wav(tone(500, 1.0), **options)[:keep])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    "options",
    [{}, {"format": "FLAC"}, {"format": "OGG", "subtype": "VORBIS"}, {"format": "MP3", "subtype": "MPEG_LAYER_III"}],
    ids=lambda options: options.get("format", "WAV"),
)
def test_damage_is_refused_or_heard_and_never_a_bug(options: dict[str, str], seed: int) -> None:
    random = np.random.default_rng(seed)
    content = bytearray(wav(random.normal(0, 0.1, 3 * SPEECH_RATE), **options))
    for position in random.integers(0, len(content), 20):
        content[position] ^= int(random.integers(1, 256))
    with contextlib.suppress(InvalidRequest, TooMuch):
        assert decoded(bytes(content), longest_s=60).dtype == np.int16


def test_memory_does_not_grow_with_the_file() -> None:
    content = wav(np.zeros(20 * 60 * 8000, np.int16), 8000, format="FLAC")
    file = AudioFile(io.BytesIO(content), 3600)
    tracemalloc.start()
    while file.read_block() is not None:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.read_s == 20 * 60
    assert peak < 16 * 2**20


async def test_a_file_is_closed_when_its_reader_leaves_early() -> None:
    source = io.BytesIO(wav(silence(60.0)))
    async with audio.opened(source, 100) as file:
        await anext(audio.blocks(file))
    assert file.read_block() is None
