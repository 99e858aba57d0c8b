"""Clips of a folder, and the errors that are counted in them."""

import numpy as np
import pytest
import soundfile

from benchmarks.clips import recorded, word_error_rate
from conch.contracts.errors import InvalidRequest

MANIFEST = """file\ttranscript\tlang
stop.wav\tStop the belt.\ten
halt.wav\tHalt das Band an.\tde
slots.wav\tintent=stop; what=belt\ten
silent.wav\t\ten
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifest.tsv").write_text(MANIFEST)
    for name, rate in (("stop.wav", 8_000), ("halt.wav", 16_000)):
        soundfile.write(tmp_path / name, np.full((rate, 2), 0.25), rate)
    return tmp_path


def test_clips_with_words_in_one_language_are_read_at_16_khz(folder):
    [clip] = recorded(folder, "en")
    assert (clip.said, clip.pcm16.dtype, clip.seconds) == ("Stop the belt.", np.int16, 1.0)


def test_a_folder_without_such_clips_is_refused(folder):
    with pytest.raises(InvalidRequest, match=r"manifest\.tsv has 4 clips, and none with words in language vi"):
        recorded(folder, "vi")


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("Stop the belt.", "stop the belt", 0),
        ("platforms one and three", "Platforms 1 and 3.", 0),
        ("Mr Quilter", "Mr. Quilter", 0),
        ("stop the belt now", "stop belt now", 0.25),
        ("stop", "", 1),
    ],
)
def test_only_words_are_errors(said, heard, rate):
    assert word_error_rate([said], [heard]) == rate
