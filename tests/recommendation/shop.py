"""A catalogue of dicts, for tests of the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conch.contracts.provenance import NO_REASON
from conch.recommendation.catalogue import I8, Best, Tables, Together
from conch.recommendation.merging import F4, U4
from conch.recommendation.ranking import fixed

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

    @property
    def tables(self) -> Tables:
        leaves = np.full(max(self.categories, default=-1) + 1, NO_REASON, np.uint32)
        for master, category in self.categories.items():
            leaves[master] = category
        live, weekly = (Together(starts, ids, scores.astype(float)) for starts, ids, scores in
                        (lists(self.together), lists(self.weekly)))  # fmt: skip
        longest = max((len(row) for row in (*self.together.values(), *self.weekly.values())), default=0)
        return Tables(fixed(leaves), live, weekly, longest, Best(*map(fixed, lists(self.best))))

    def ancestors(self, category: int) -> Sequence[int]:
        parent = self.parents.get(category)
        return [] if parent is None else [parent, *self.ancestors(parent)]

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        return columns(self.best.get(category, {}))

    def popular(self) -> tuple[U4, F4]:
        return columns(self.of_everything)


def columns(scores: Scores) -> tuple[U4, F4]:
    return np.array(list(scores), np.uint32), np.array(list(scores.values()), np.float32)


def lists(rows: Mapping[int, Scores]) -> tuple[I8, U4, F4]:
    """Bounds, ids and scores."""
    sizes = [len(rows.get(row, {})) for row in range(max(rows, default=-1) + 1)]
    ids, scores = columns({})
    for _, row in sorted(rows.items()):
        more, theirs = columns(row)
        ids, scores = np.concatenate([ids, more]), np.concatenate([scores, theirs])
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), ids, scores
