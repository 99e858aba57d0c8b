"""A catalogue of dicts, for tests of the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conch.contracts.provenance import NO_REASON
from conch.recommendation.merging import F4, U4

Scores = Mapping[int, float]


@dataclass(frozen=True)
class Shop:
    categories: Mapping[int, int] = field(default_factory=dict)
    """Master → category."""
    parents: Mapping[int, int] = field(default_factory=dict)
    together: Mapping[int, Scores] = field(default_factory=dict)
    weekly: Mapping[int, Scores] = field(default_factory=dict)
    best: Mapping[int, Scores] = field(default_factory=dict)
    """Category → master → score."""
    of_everything: Scores = field(default_factory=dict)

    def category_of(self, master: int) -> int:
        return self.categories.get(master, NO_REASON)

    def ancestors(self, category: int) -> Sequence[int]:
        parent = self.parents.get(category)
        return [] if parent is None else [parent, *self.ancestors(parent)]

    def seen_with(self, category: int, *, live: bool) -> Sequence[tuple[int, float]]:
        return list((self.together if live else self.weekly).get(category, {}).items())

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        return columns(self.best.get(category, {}))

    def popular(self) -> tuple[U4, F4]:
        return columns(self.of_everything)


def columns(scores: Scores) -> tuple[U4, F4]:
    return np.array(list(scores), np.uint32), np.array(list(scores.values()), np.float32)
