"""The catalogue as the rules see it: by dense ids, whoever keeps it (conch/stores/snapshot.py maps it)."""

from collections.abc import Sequence
from typing import Protocol

from conch.recommendation.merging import F4, U4


class Catalogue(Protocol):
    """Ids beyond the catalogue have nothing: NO_REASON, or an empty list."""

    def category_of(self, master: int) -> int:
        """The leaf category."""
        ...

    def ancestors(self, category: int) -> Sequence[int]:
        """The parent first."""
        ...

    def seen_with(self, category: int, *, live: bool) -> Sequence[tuple[int, float]]:
        """Categories with their scaled scores: live co-view filled up from the weekly batch to 20, or that alone."""
        ...

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        """Masters with their scores, a master once for each of its offers that sells."""
        ...

    def popular(self) -> tuple[U4, F4]:
        """Best sellers of everything."""
        ...
