"""Training runs from lines to a version folder that the served model loads; shown on a tiny one, in seconds."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from conch.contracts.specs import INTENTS
from conch.models.base import ModelContext, Row, strings
from conch.models.intent import Intent
from training import corpus
from training.bert import Shape, initial, logits
from training.export import save, stored
from training.fitting import Schedule, padded
from training.intent import Plan, Trained, train, write
from training.vocabulary import SPECIAL, Vocabulary

TINY = Plan(
    examples=4_000,
    held_back=500,
    shape=Shape(layers=1, width=32, heads=2, intermediate=64, positions=24),
    schedule=Schedule(steps=200, batch=32, peak_rate=1e-2, dropout=0.0, widths=(24,)),
)


def vocabulary(width: int) -> Vocabulary:
    """Every word of the lists, with a vector that means nothing."""
    words = {word for lines in corpus.read().words.values() for line in lines for word in line.split()}
    pieces = (*SPECIAL, *sorted({*"abcdefghijklmnopqrstuvwxyz", *filter(str.isalnum, words)}))
    rng = np.random.default_rng(1)
    return Vocabulary(
        pieces,
        rng.integers(-127, 128, (len(pieces), width)).astype(np.int8),
        np.full((len(pieces), 1), 0.01, np.float32),
    )


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(TINY, corpus.split(corpus.read()), vocabulary(TINY.shape.width))


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("intent") / "1"
    write(path, TINY, trained, vocabulary(TINY.shape.width), {"vectors_from": "nowhere"}, "0" * 64)
    return path


def test_the_served_model_loads_what_training_wrote_and_has_learned_something(folder: Path) -> None:
    model = Intent.load(ModelContext(folder))
    [answer] = model.predict([Row({"text": strings(["please call my mother"])})])
    assert answer["intent"].item() in INTENTS  # type: ignore[index]
    scores = json.loads((folder / "manifest.json").read_text())["held_back"]
    assert scores["accuracy"] > 0.6


def test_the_manifest_tells_seed_data_and_quality(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["labels"] == list(INTENTS)
    assert manifest["training"]["seed"] == TINY.schedule.seed
    assert manifest["data"]["sha256"] == "0" * 64
    assert manifest["held_back"]["texts"] == TINY.held_back
    assert manifest["temperature"] > 0
    assert set(manifest["files"]) == {"model.onnx", "tokenizer.json"}


def test_the_same_seed_trains_the_same_parameters(trained: Trained) -> None:
    again = train(TINY, corpus.split(corpus.read()), vocabulary(TINY.shape.width))
    for name, value in trained.parameters.items():
        np.testing.assert_array_equal(value, again.parameters[name])
    assert again.temperature == trained.temperature


@pytest.mark.parametrize("shape", [TINY.shape, Shape()], ids=["tiny", "as served"])
def test_the_onnx_graph_computes_what_jax_computes(tmp_path: Path, shape: Shape) -> None:
    words = vocabulary(shape.width)
    rng = np.random.default_rng(2)
    # Shifts and scales that are not 0 and 1, so that none of them goes unnoticed.
    parameters = stored({name: value + rng.normal(0, 0.1, value.shape) for name, value in initial(shape, 1).items()})
    save(tmp_path / "model.onnx", parameters, shape, words)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    ids = padded([[2, 9, 8, 3], [2, *rng.integers(4, 90, 11), 3], [2, 3]], 13)
    [found] = session.run(["logits"], {"input_ids": ids.astype(np.int64)})
    expected = np.asarray(logits(parameters, shape, words.vectors, ids))
    np.testing.assert_allclose(found, expected, atol=2e-4, rtol=1e-3)
    # Padding is not read.
    [alone] = session.run(["logits"], {"input_ids": ids[:1, :4].astype(np.int64)})
    np.testing.assert_allclose(alone, found[:1], atol=2e-4)


def test_the_command_explains_itself() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "training.intent", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--seed" in shown.stdout
    assert "--out" in shown.stdout
