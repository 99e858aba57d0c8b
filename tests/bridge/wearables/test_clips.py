"""Folders of recordings."""

import numpy as np
import pytest

from bridge.wearables.clips import Clip, clips_of
from bridge.wearables.recording import read
from conch.contracts.errors import InvalidRequest
from tests.bridge.wearables.test_recording import written


@pytest.fixture
def wav(tmp_path):
    def make(name):
        return read(written(tmp_path / name, np.full((80, 1), 7, "<i2")))

    return make


def test_words_stand_in_a_text_file_beside_the_recording_or_are_not_known(wav, tmp_path):
    stop, belt = wav("stop.wav"), wav("belt.wav")
    (tmp_path / "stop.txt").write_text("Stop the belt.\n")
    assert clips_of(tmp_path) == [Clip("belt.wav", None, belt), Clip("stop.wav", "Stop the belt.", stop)]


def test_a_manifest_tells_words_and_languages(wav, tmp_path):
    a, b, c, _ = (wav(f"{name}.wav") for name in "abcd")
    rows = ["file\ttranscript\tlang", "a.wav\tStop.\ten", "b.wav\t\ten", "c.wav\tintent=order; size=small\ten",
            "d.wav\tDừng lại\tvi"]  # fmt: skip
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n")
    assert clips_of(tmp_path, "en") == [Clip("a.wav", "Stop.", a), Clip("b.wav", "", b), Clip("c.wav", None, c)]
    assert [clip.name for clip in clips_of(tmp_path)] == ["a.wav", "b.wav", "c.wav", "d.wav"]


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [(None, "no WAV files"), ("name\n1\n", "no manifest of file and transcript")],
    ids=["an empty folder", "another table"],
)
def test_a_folder_without_clips_is_refused(tmp_path, manifest, complaint):
    if manifest is not None:
        (tmp_path / "manifest.tsv").write_text(manifest)
    with pytest.raises(InvalidRequest, match=complaint):
        clips_of(tmp_path)
