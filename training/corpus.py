"""The lines and word lists that commands are made from, and which of them training must not see.

Text files beside this one: phrases/<intent>.txt, phrases/general/*.txt, words/*.txt. One line in ten, and one word
in six, is held back: what is measured on those says how words and turns of phrase nobody wrote down will fare.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conch.contracts.specs import INTENTS

FOLDER = Path(__file__).parent

_OPEN_LISTS = (
    "first",
    "last",
    "team",
    "place",
    "role",
    "problem",
    "thing",
    "topic",
    "city",
    "food",
    "subject",
    "matter",
    "verb",
    "noun",
)
"""Lists that the world continues; the others are grammar, or refer to these."""


@dataclass(frozen=True, slots=True)
class Corpus:
    lines: Mapping[str, Sequence[str]]
    """By intent."""
    words: Mapping[str, Sequence[str]]
    """By list."""


@dataclass(frozen=True, slots=True)
class Split:
    taught: Corpus
    held_back: Corpus
    """Its lines are its own; its open word lists are half its own."""


def read(folder: Path = FOLDER) -> Corpus:
    summon, dial, general = INTENTS
    return Corpus(
        lines={
            summon: _lines(folder / "phrases" / "summon_team.txt"),
            dial: _lines(folder / "phrases" / "dial_person.txt"),
            general: [line for path in sorted((folder / "phrases" / "general").iterdir()) for line in _lines(path)],
        },
        words={path.stem: _lines(path) for path in sorted((folder / "words").iterdir())},
    )


def split(corpus: Corpus) -> Split:
    """By the text of each line and word, so that adding one moves no other."""
    words = {name: [word for word in corpus.words[name] if not _held_back(word, 6)] for name in _OPEN_LISTS}
    kept = {name: [word for word in corpus.words[name] if _held_back(word, 6)] for name in _OPEN_LISTS}
    # A list too short to be divided is common to both.
    mixed = {name: [*kept[name], *words[name][: len(kept[name])]] for name in _OPEN_LISTS if kept[name]}
    return Split(
        taught=Corpus(
            lines={
                intent: [line for line in lines if not _held_back(line, 10)] for intent, lines in corpus.lines.items()
            },
            words={**corpus.words, **words},
        ),
        held_back=Corpus(
            lines={intent: [line for line in lines if _held_back(line, 10)] for intent, lines in corpus.lines.items()},
            words={**corpus.words, **mixed},
        ),
    )


def fingerprint(corpus: Corpus) -> str:
    """Of all lines and words: says what a model was trained on."""
    digest = hashlib.sha256()
    for kind in (corpus.lines, corpus.words):
        for name, lines in sorted(kind.items()):
            digest.update("\n".join([name, *lines, ""]).encode())
    return digest.hexdigest()


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _held_back(text: str, one_in: int) -> bool:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % one_in == 0
