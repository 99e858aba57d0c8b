import wave

import pytest

from conch.cli.speak import save_wav
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.voice import SpokenSentence

SENTENCES = [SpokenSentence(b"\x01\x00" * 100, 22_050), SpokenSentence(b"\x02\x00" * 50, 22_050)]


def test_sentences_are_joined_into_one_wav(tmp_path):
    seconds = save_wav(tmp_path / "reply.wav", SENTENCES)
    with wave.open(str(tmp_path / "reply.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 22_050, 150)
    assert seconds == pytest.approx(150 / 22_050)


def test_a_folder_that_is_not_there_is_named_and_nothing_is_left(tmp_path):
    with pytest.raises(InvalidRequest, match=r"missing/reply\.wav cannot be written: No such file or directory"):
        save_wav(tmp_path / "missing" / "reply.wav", SENTENCES)
    assert list(tmp_path.iterdir()) == []


def test_no_speech_at_all_is_a_bug_of_the_voice(tmp_path):
    with pytest.raises(Internal):
        save_wav(tmp_path / "reply.wav", [])
