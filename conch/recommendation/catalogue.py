"""The catalogue as the rules see it: by dense ids, whoever keeps it (conch/stores/snapshot.py maps it).

Tables are lists by row: those of row i stand from starts[i] to starts[i + 1]. An id beyond them has an empty list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from conch.recommendation.merging import F4, F8, U4

I8 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Together:
    """By category: others that are seen with it, and their scores scaled to [0, 1]."""

    starts: I8
    categories: U4
    shares: F8


@dataclass(frozen=True, slots=True)
class Best:
    """By category: masters that sell, a master once for each of its offers."""

    starts: I8
    masters: U4
    scores: F4


@dataclass(frozen=True, slots=True)
class Tables:
    """What kernels read."""

    leaves: U4
    """By master: its leaf category, or NO_REASON."""
    live: Together
    """Live co-view, filled up from the weekly batch."""
    weekly: Together
    """The weekly batch alone."""
    together_most: int
    """Of the longest list of either."""
    best: Best


class Catalogue(Protocol):
    @property
    def tables(self) -> Tables: ...

    def ancestors(self, category: int) -> Sequence[int]:
        """The parent first."""
        ...

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        """Masters with their scores, a master once for each of its offers that sells."""
        ...

    def popular(self) -> tuple[U4, F4]:
        """Best sellers of everything."""
        ...


@dataclass(frozen=True, slots=True)
class NothingSold:
    """A catalogue of tables alone."""

    tables: Tables

    def ancestors(self, category: int) -> Sequence[int]:
        return []

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        return self.popular()

    def popular(self) -> tuple[U4, F4]:
        return np.zeros(0, np.uint32), np.zeros(0, np.float32)
