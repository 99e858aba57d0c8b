"""The catalogue of a snapshot, as the rules of recommendation see it (conch/recommendation/catalogue.py)."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import NO_REASON
from conch.stores.snapshot import F4, I8, U4, Snapshot

Bools = npt.NDArray[np.bool_]


class SnapshotCatalogue:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._columns = snapshot.plain
        # A category is asked for thousands of times between two snapshots.
        self._best: dict[int, tuple[U4, F4]] = {}

    def category_of(self, master: int) -> int:
        return int(self._columns.master_category[master]) if master < self.snapshot.masters else NO_REASON

    def ancestors(self, category: int) -> Sequence[int]:
        found: list[int] = []
        while category < self.snapshot.categories and len(found) < self.snapshot.categories:
            category = int(self._columns.category_parent[category])
            if category != NO_REASON:
                found.append(category)
        return found

    def stand_in(self, masters: U4, categories: U4) -> Bools:
        """Whether each master's category is that of its row, or below it."""
        at = np.full(len(masters), NO_REASON, np.uint32)
        known = masters < self.snapshot.masters
        at[known] = self._columns.master_category[masters[known]]
        found: Bools = at == categories
        above, levels = self._above
        for _ in range(levels):
            at = above.take(at, mode="clip")
            found |= at == categories
        found &= categories != NO_REASON
        return found

    @cached_property
    def _above(self) -> tuple[U4, int]:
        """Of each category the one above it, of what is beyond them none; and how often one may go up."""
        above = np.append(self._columns.category_parent, np.uint32(NO_REASON))
        at, levels = above, 0
        while (at < self.snapshot.categories).any() and levels < self.snapshot.categories:
            at = above.take(at, mode="clip")
            levels += 1
        return above, levels + 1

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        if category not in self._best:
            self._best[category] = self._best_sellers(category)
        return self._best[category]

    def popular(self) -> tuple[U4, F4]:
        return self.masters_of(self._columns.popular_pids), self._columns.popular_scores

    def _best_sellers(self, category: int) -> tuple[U4, F4]:
        columns = self._columns
        pids, scores = self._row(columns.best_starts, category, columns.best_pids, columns.best_scores)
        return self.masters_of(pids), scores

    def _row(self, starts: I8, row: int, ids: U4, scores: F4) -> tuple[U4, F4]:
        if row >= len(starts) - 1:
            return ids[:0], scores[:0]
        here = slice(int(starts[row]), int(starts[row + 1]))
        return ids[here], scores[here]

    def masters_of(self, pids: U4) -> U4:
        known = pids < self.snapshot.pids
        masters = np.full(len(pids), NO_REASON, np.uint32)
        masters[known] = self._columns.pid_master[pids[known]]
        return masters
