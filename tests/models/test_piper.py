"""Piper speaks sentence by sentence; held against real speech from the real voice."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conch.contracts.errors import Internal, InvalidRequest
from conch.models.base import Arrays, ModelContext, Row, scalar, strings
from conch.models.piper import Piper, split_at_words


@pytest.fixture(scope="module")
def piper(weights: Callable[[str], Path]) -> Piper:
    return Piper.load(ModelContext(weights("piper"), {"intra_op_threads": "2"}))


def speak(piper: Piper, text: str, **tensors: Any) -> list[Arrays]:
    return list(piper.stream(Row({"text": strings([text]), **tensors})))


def seconds(answer: Arrays) -> float:
    return float(answer["pcm16"].size / answer["sample_rate"].item())


def test_each_sentence_is_an_answer_of_its_own(piper: Piper) -> None:
    answers = speak(piper, "The cleaning crew is on its way. It will take five minutes.")
    assert len(answers) == 2
    for answer in answers:
        assert answer["pcm16"].dtype == np.int16
        assert answer["sample_rate"].tolist() == [22_050]
        assert 0.8 < seconds(answer) < 4
        assert np.abs(answer["pcm16"]).max() > 10_000


def test_nothing_is_synthesized_before_it_is_asked_for(piper: Piper, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    synthesize = piper._synthesize
    monkeypatch.setattr(piper, "_synthesize", lambda *given: made.append(1) or synthesize(*given))
    answers = piper.stream(Row({"text": strings(["One. Two. Three."])}))
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert made == [1]


def test_length_scale_2_takes_about_twice_as_long(piper: Piper) -> None:
    text = "The forklift by the loading dock needs a new battery."
    [plain] = speak(piper, text)
    [slow] = speak(piper, text, length_scale=scalar(2.0, np.float32))
    assert 1.6 < seconds(slow) / seconds(plain) < 2.4


@pytest.mark.parametrize("length_scale", [0.2, 4.5, -1.0, 0.0])
def test_a_length_scale_out_of_bounds_is_refused_with_its_bounds(piper: Piper, length_scale: float) -> None:
    with pytest.raises(InvalidRequest, match=rf"length_scale is {length_scale:g}, it must be between 0.25 and 4"):
        speak(piper, "Hello.", length_scale=scalar(length_scale, np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text is empty"),
        (" \n\t", "text is empty"),
        ("... --", "text has 6 characters and not one that is spoken"),
        ("a" * 4_001, "text has 4001 characters, at most 4000"),
        ("a" * 1_000_000, "text has 1000000 characters, at most 4000"),
    ],
    ids=["empty", "blank", "punctuation", "one too long", "a megabyte"],
)
def test_a_text_that_cannot_be_spoken_is_refused(piper: Piper, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        speak(piper, text)


def test_a_text_without_a_full_stop_is_cut_at_words(piper: Piper) -> None:
    answers = speak(piper, "please tell the cleaning crew to come to the second hall " * 12)
    assert len(answers) > 1
    assert max(seconds(answer) for answer in answers) < 15


def test_brackets_and_control_characters_are_text_and_not_phonemes(piper: Piper) -> None:
    assert len(speak(piper, "The list [[1, 2], [3]] has\x00 three numbers.")) == 1


def test_emoji_and_foreign_letters_are_spoken_or_skipped(piper: Piper) -> None:
    [answer] = speak(piper, "Chào Nguyễn 👷")
    assert seconds(answer) > 0.4


def test_phonemes_are_cut_at_the_last_space_that_fits() -> None:
    assert list(split_at_words(list("abc def ghi"), 8)) == [list("abc def"), list(" ghi")]
    assert list(split_at_words(list("abcdefgh"), 3)) == [list("abc"), list("def"), list("gh")]
    assert list(split_at_words(list("abc"), 3)) == [list("abc")]
    assert list(split_at_words(list(" ., "), 4)) == []


def test_a_missing_extra_is_named(weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *given: Any, **named: Any) -> Any:
        if name == "piper":
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(Internal, match=r"piper-tts is not installed.*conch\[piper\]"):
        Piper.load(ModelContext(weights("piper")))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(Internal, match=r"voice\.onnx\.json is not in"):
        Piper.load(ModelContext(tmp_path))
