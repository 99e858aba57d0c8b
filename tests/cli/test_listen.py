"""`conch listen` without a stack: what it reads, and what it refuses."""

import wave

import numpy as np
import pytest
from typer.testing import CliRunner

from conch.cli.listen import Recording, read
from conch.cli.main import app
from conch.contracts.errors import InvalidRequest


def written(path, samples, width=2, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_several_channels_become_one(tmp_path):
    stereo = np.array([[100, 300], [-50, -150]], "<i2")
    mono = np.array([200, -100], "<i2").tobytes()
    assert read(written(tmp_path / "a.wav", stereo)) == Recording(mono, 8000)


def test_a_recording_is_played_to_its_end_with_silence_behind(tmp_path):
    recording = Recording(b"\1\0" * 2000, 8000)
    chunks = list(recording.chunks())
    assert {len(chunk) for chunk in chunks[:-1]} == {2 * 1600}
    assert b"".join(chunks) == recording.pcm16 + bytes(2 * 8000)


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


def test_without_a_stack_it_says_how_to_start_one(tmp_path):
    told = CliRunner().invoke(app, ["listen", "a.wav", "--state", str(tmp_path)])
    assert (told.exit_code, "conch up --detach" in told.output) == (3, True)
