"""Labelled sentences by the thousand, made from a corpus."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from conch.contracts.specs import INTENTS
from training.corpus import Corpus
from training.grammar import Grammar
from training.hearing import hear

SUMMON, DIAL, GENERAL = INTENTS

SHARES = {SUMMON: 0.25, DIAL: 0.25, GENERAL: 0.5}
"""Most of what people say is no command, and of the widest variety."""

FOREIGN = "ж"
"""A word of a script that the vocabulary does not hold."""


@dataclass(frozen=True, slots=True)
class Example:
    text: str
    intent: str


class Examples:
    """A source of examples; `vocabulary` are the words of which nonsense is made."""

    def __init__(self, corpus: Corpus, vocabulary: Sequence[str]) -> None:
        self._corpus = corpus
        self._grammar = Grammar(corpus.words, vocabulary)
        self._vocabulary = vocabulary

    def take(self, count: int, rng: random.Random) -> list[Example]:
        intents = rng.choices(INTENTS, weights=[SHARES[intent] for intent in INTENTS], k=count)
        return [self._general(rng) if intent == GENERAL else self._command(intent, rng) for intent in intents]

    def _command(self, intent: str, rng: random.Random) -> Example:
        said = self._said(intent, rng)
        if rng.random() < 0.03:
            return Example(f"{said} {self._grammar.sentence('{taken_back}', rng)}", GENERAL)
        return Example(said, intent)

    def _general(self, rng: random.Random) -> Example:
        draw = rng.random()
        if draw < 0.08:
            return Example(self._nonsense(rng), GENERAL)
        said = self._said(GENERAL, rng)
        if draw < 0.12:
            more = [self._said(GENERAL, rng) for _ in range(rng.choice((1, 1, 2, 4, 6)))]
            return Example(" ".join([said, *more]), GENERAL)
        # Politeness and haste are heard with every wish: they must not tell a command from a question.
        if draw < 0.27:
            said = f"{self._grammar.sentence('{please}', rng)} {said}"
        elif draw < 0.37:
            said = f"{said} {self._grammar.sentence('[{now}|{soon}]', rng)}"
        if rng.random() < 0.20:
            return Example(self._with_a_strange_word(said, rng), GENERAL)
        return Example(said, GENERAL)

    def _said(self, intent: str, rng: random.Random) -> str:
        return hear(self._grammar.sentence(rng.choice(self._corpus.lines[intent]), rng), rng)

    def _nonsense(self, rng: random.Random) -> str:
        """Words of every kind in no order: what resembles nothing is no command."""
        foreign = 0.5 if rng.random() < 0.2 else 0.0
        words = [FOREIGN if rng.random() < foreign else rng.choice(self._vocabulary) for _ in range(rng.randint(1, 12))]
        return " ".join(words)

    def _with_a_strange_word(self, said: str, rng: random.Random) -> str:
        words = said.split()
        at = rng.randrange(len(words))
        # "do not call" must not become "do please call".
        if len(words) > 1 and len(words[at]) > 4 and words[at] not in ("don't", "never", "cancel", "remind"):
            words[at] = rng.choice(self._vocabulary)
        return " ".join(words)
