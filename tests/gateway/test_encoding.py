import io

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from gateway.encoding import FORMATS, RATE, Resampled, encoder_of


def tone(seconds: float, rate: int) -> npt.NDArray[np.int16]:
    at = np.arange(round(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)


def encoded(encoder: Resampled, rate: int, *sentences: npt.NDArray[np.int16]) -> list[bytes]:
    """What leaves at each sentence, and at the end."""
    return [*(encoder.write(one.astype("<i2").tobytes(), rate) for one in sentences), encoder.finish()]


def samples(parts: list[bytes]) -> npt.NDArray[np.int64]:
    return np.frombuffer(b"".join(parts), "<i2").astype(np.int64)


@pytest.mark.parametrize("rate", [16_000, 22_050, RATE])
def test_sentences_join_without_a_seam(rate: int) -> None:
    speech = tone(2.0, rate)
    cut = samples(encoded(encoder_of("pcm"), rate, speech[:7001], speech[7001:9000], speech[9000:]))
    whole = samples(encoded(encoder_of("pcm"), rate, speech))
    assert len(cut) == len(whole) == 2 * RATE
    # soxr dithers what it rounds.
    assert np.abs(cut - whole).max() <= 2


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"flac"}))
def test_most_formats_leave_sentence_by_sentence(name: str) -> None:
    parts = encoded(encoder_of(name), 22_050, *[tone(1.5, 22_050)] * 4)
    assert all(parts[:4])
    assert max(map(len, parts)) < 0.6 * sum(map(len, parts))


def test_a_flac_leaves_at_its_end_and_knows_its_length() -> None:
    *before, whole = encoded(encoder_of("flac"), 22_050, *[tone(1.0, 22_050)] * 3)
    assert not any(before)
    assert soundfile.info(io.BytesIO(whole)).frames == 3 * RATE


def test_an_mp3_is_as_long_as_its_readers_think() -> None:
    content = b"".join(encoded(encoder_of("mp3"), 22_050, *[tone(5.0, 22_050)] * 3))
    told = soundfile.info(io.BytesIO(content)).duration
    pcm, rate = soundfile.read(io.BytesIO(content))
    assert told == pytest.approx(len(pcm) / rate, abs=0.01) == pytest.approx(15.0, abs=0.2)
    assert len(content) == pytest.approx(15 * 96_000 / 8, rel=0.05)
