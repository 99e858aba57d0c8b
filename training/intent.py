"""Train the intent model and write its version folder: `python -m training.intent`.

Sentences are made from the lines of phrases/, fitted in a few CPU minutes, measured on lines and words held back, and
written as model.onnx, tokenizer.json and manifest.json. The same seed on the same machine gives the same files.
"""

import hashlib
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import numpy.typing as npt
import onnx
import optax
import typer
from tokenizers import Tokenizer

from conch.contracts.specs import INTENTS
from conch.weights.cache import verified_weights
from conch.weights.manifest import Manifest
from training import corpus
from training.bert import Parameters, Shape
from training.examples import Example, Examples
from training.export import save, stored
from training.fitting import Schedule, batches_of, fit, predict
from training.scores import Scores, fit_temperature, score
from training.vocabulary import Vocabulary, from_embedding

FOLDER = Path(__file__).parents[1] / "model_repository" / "intent" / "1"


@dataclass(frozen=True, slots=True)
class Plan:
    examples: int = 200_000
    held_back: int = 10_000
    shape: Shape = field(default_factory=Shape)
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, slots=True)
class Trained:
    parameters: Parameters
    """As they are stored."""
    temperature: float
    scores: Scores
    """On held-back sentences."""


@dataclass(frozen=True, slots=True)
class Texts:
    ids: list[list[int]]
    labels: npt.NDArray[np.int64]


def train(plan: Plan, split: corpus.Split, vocabulary: Vocabulary) -> Trained:
    rng = random.Random(plan.schedule.seed)
    tokenizer = Tokenizer.from_str(json.dumps(vocabulary.tokenizer()))
    tokenizer.enable_truncation(plan.shape.positions)
    taught = _texts(Examples(split.taught, vocabulary.words).take(plan.examples, rng), tokenizer)
    held_back = _texts(Examples(split.held_back, vocabulary.words).take(plan.held_back, rng), tokenizer)
    batches = batches_of(taught.ids, taught.labels.tolist(), plan.schedule)
    parameters = stored(fit(plan.shape, plan.schedule, vocabulary.vectors, batches))
    logits = predict(parameters, plan.shape, vocabulary.vectors, held_back.ids, plan.schedule.widths)
    temperature = fit_temperature(logits, held_back.labels)
    return Trained(parameters, temperature, score(logits, held_back.labels, temperature))


def write(
    folder: Path, plan: Plan, trained: Trained, vocabulary: Vocabulary, source: dict[str, str], data: str
) -> dict[str, Any]:
    """The files of a version folder; gives the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "model.onnx", trained.parameters, plan.shape, vocabulary)
    content = json.dumps(vocabulary.tokenizer(), ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(content + "\n", encoding="utf-8")
    manifest = {
        "labels": list(INTENTS),
        "temperature": round(trained.temperature, 5),
        "max_tokens": plan.shape.positions,
        "shape": asdict(plan.shape),
        "training": {"examples": plan.examples, **asdict(plan.schedule)},
        "data": {"source": "lines and word lists of training/, written for this model", "sha256": data},
        "held_back": trained.scores.as_json(),
        "vocabulary": {"pieces": len(vocabulary.pieces), **source},
        "files": {name: _sha256(folder / name) for name in ("model.onnx", "tokenizer.json")},
        "made_with": {module.__name__: module.__version__ for module in (jax, optax, onnx, np)},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _texts(examples: Sequence[Example], tokenizer: Tokenizer) -> Texts:
    encoded = tokenizer.encode_batch([example.text for example in examples])
    labels = np.array([INTENTS.index(example.intent) for example in examples], np.int64)
    return Texts([one.ids for one in encoded], labels)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(
    out: Annotated[Path, typer.Option(help="The version folder to write.")] = FOLDER,
    seed: Annotated[int, typer.Option(help="Of the sentences, the weights and the order.")] = Schedule().seed,
    steps: Annotated[int, typer.Option(help="Batches to fit.")] = Schedule().steps,
) -> None:
    """Train the intent model on the lines of training/ and write its version folder."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    weights = verified_weights(["embedding"])["embedding/1"]
    origin = next(file for file in Manifest.read().files_of("embedding") if file.file == "model.onnx")
    source = {"vectors_from": origin.original, "licence": origin.licence, "sha256": origin.sha256}
    plan = Plan(schedule=replace(Schedule(), seed=seed, steps=steps))
    lines = corpus.read()
    vocabulary = from_embedding(weights["model.onnx"], weights["tokenizer.json"], plan.shape.width)
    trained = train(plan, corpus.split(lines), vocabulary)
    manifest = write(out, plan, trained, vocabulary, source, corpus.fingerprint(lines))
    print(json.dumps({"temperature": manifest["temperature"], **manifest["held_back"]}))


if __name__ == "__main__":
    typer.run(main)
