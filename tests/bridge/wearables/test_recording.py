"""Recordings: what is read, where it is loud, and what of it goes out."""

import time
import wave

import numpy as np
import pytest

from bridge.wearables.recording import Played, Recording, read
from conch.contracts.errors import InvalidRequest


def written(path, samples, width=2, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def tone(seconds, level=8000, rate=8000):
    return (level * np.sin(np.arange(round(seconds * rate)) * 0.5)).astype("<i2").tobytes()


def test_several_channels_become_one(tmp_path):
    stereo = np.array([[100, 300], [-50, -150]], "<i2")
    mono = np.array([200, -100], "<i2").tobytes()
    assert read(written(tmp_path / "a.wav", stereo)) == Recording(mono, 8000)


def test_a_recording_is_played_to_its_end_with_silence_behind():
    recording = Recording(b"\1\0" * 2000, 8000)
    chunks = list(recording.chunks(silence_s=0.5))
    assert {len(chunk) for chunk in chunks[:-1]} == {2 * 1600}
    assert b"".join(chunks) == recording.pcm16 + bytes(2 * 4000)


async def test_a_played_chunk_comes_when_a_microphone_would_have_filled_it():
    begin = time.monotonic()
    chunks = [chunk async for chunk in Played(Recording(tone(0.8), 8000), pace=4.0, silence_s=0.2).chunks()]
    assert len(chunks) == 5
    assert time.monotonic() - begin >= 5 * 0.2 / 4.0


@pytest.mark.parametrize(
    ("pcm16", "loud"),
    [
        (bytes(1600) + tone(0.4) + tone(0.2, level=100), (0.1, 0.5)),
        (tone(0.3), (0.0, 0.3)),
        (bytes(8000), None),
        (b"", None),
    ],
    ids=["between silence and hum", "all of it", "silence", "nothing"],
)
def test_it_is_known_from_when_to_when_somebody_speaks(pcm16, loud):
    assert Recording(pcm16, 8000).loud_s() == (None if loud is None else pytest.approx(loud, abs=0.021))


@pytest.mark.parametrize(
    ("name", "make", "complaint"),
    [
        ("a.wav", lambda path: written(path, np.zeros((4, 1), "u1"), width=1), "samples of 8 bits"),
        ("a.mp3", lambda path: path.write_bytes(b"ID3 and more"), "no WAV file"),
        ("none.wav", lambda path: None, "No such file"),
    ],
)
def test_what_cannot_be_played_is_refused(tmp_path, name, make, complaint):
    make(tmp_path / name)
    with pytest.raises(InvalidRequest, match=complaint):
        read(tmp_path / name)
