"""Measure a trained intent model on labelled texts: `python -m training.evaluate FILE.tsv`.

The file has a header; one column holds the text, one the intent. Prints the scores and the recall of each intent.
"""

import csv
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from conch.contracts.errors import ConchError
from conch.contracts.specs import INTENTS
from conch.models.base import ModelContext, Row, strings
from conch.models.intent import Intent, IntentManifest
from training.intent import FOLDER
from training.scores import probabilities, score


def main(
    file: Annotated[Path, typer.Argument(help="Tab-separated, with a header.")],
    model: Annotated[Path, typer.Option(help="The model's version folder.")] = FOLDER,
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the intents.")] = "intent",
) -> None:
    """Measure a trained intent model on labelled texts."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    intent = Intent.load(ModelContext(model))
    answers = intent.predict([Row({"text": strings([row[text]])}) for row in rows])
    read = [(row, answer) for row, answer in zip(rows, answers, strict=True) if not isinstance(answer, ConchError)]
    logits = np.stack([answer["logits"] for _, answer in read])
    labels = np.array([INTENTS.index(row[label]) for row, _ in read])
    temperature = IntentManifest.read(model / "manifest.json").temperature
    chosen = probabilities(logits, temperature).argmax(axis=1)
    recall = {
        name: round(float((chosen[labels == index] == index).mean()), 4)
        for index, name in enumerate(INTENTS)
        if (labels == index).any()
    }
    print(json.dumps({**score(logits, labels, temperature).as_json(), "recall": recall}, indent=2))


if __name__ == "__main__":
    typer.run(main)
