"""Whisper with weights that know English alone."""

import numpy as np
import pytest

from conch.contracts.errors import NotFound
from conch.models.base import ModelContext, Row, scalar, strings
from conch.models.whisper import Whisper
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import Manifest


@pytest.fixture(scope="module")
def whisper(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("english")
    cache = WeightCache(default_root())
    for file in Manifest.read().files:
        if file.model == "whisper-tiny-en":
            (folder / file.file).symlink_to(cache.verify(file))
    (folder / "silero_vad.onnx").symlink_to(weights("whisper") / "silero_vad.onnx")
    model = Whisper.load(ModelContext(folder))
    yield model
    model.close()


def asked(pcm, **texts):
    return Row({"pcm16": pcm, "sample_rate": scalar(16_000, np.int32)} | {k: strings([v]) for k, v in texts.items()})


def test_weights_that_know_english_alone_hear_english(whisper, spoken):
    [answer] = whisper.predict([asked(spoken("Turn on the living room light."))])
    assert "living room light" in answer["text"].item()
    assert (answer["language"].item(), answer["language_probability"].item()) == ("en", 1.0)


def test_they_know_no_other_language(whisper, spoken):
    [answer] = whisper.predict([asked(spoken("Turn on the living room light."), language="vi")])
    assert isinstance(answer, NotFound)
