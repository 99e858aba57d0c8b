"""The catalogue of a snapshot, as the rules of recommendation see it (conch/recommendation/catalogue.py)."""

from collections.abc import Sequence

import numpy as np

from conch.contracts.keys import CO_VIEW_KEPT
from conch.contracts.provenance import NO_REASON
from conch.stores.snapshot import F4, I8, U4, Snapshot


class SnapshotCatalogue:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._columns = snapshot.plain
        # By category, and by kind: a category is asked for thousands of times between two snapshots.
        self._best: dict[int, tuple[U4, F4]] = {}
        self._seen_with: dict[tuple[int, bool], Sequence[tuple[int, float]]] = {}

    def category_of(self, master: int) -> int:
        return int(self._columns.master_category[master]) if master < self.snapshot.masters else NO_REASON

    def ancestors(self, category: int) -> Sequence[int]:
        found: list[int] = []
        while category < self.snapshot.categories and len(found) < self.snapshot.categories:
            category = int(self._columns.category_parent[category])
            if category != NO_REASON:
                found.append(category)
        return found

    def seen_with(self, category: int, *, live: bool) -> Sequence[tuple[int, float]]:
        key = (category, live)
        if key not in self._seen_with:
            self._seen_with[key] = self._together(category, live)
        return self._seen_with[key]

    def best_sellers(self, category: int) -> tuple[U4, F4]:
        if category not in self._best:
            self._best[category] = self._best_sellers(category)
        return self._best[category]

    def popular(self) -> tuple[U4, F4]:
        return self._masters(self._columns.popular_pids), self._columns.popular_scores

    def _best_sellers(self, category: int) -> tuple[U4, F4]:
        columns = self._columns
        pids, scores = self._row(columns.best_starts, category, columns.best_pids, columns.best_scores)
        return self._masters(pids), scores

    def _together(self, category: int, live: bool) -> Sequence[tuple[int, float]]:
        columns = self._columns
        shares: dict[int, float] = {}
        if live:
            shares.update(
                _scaled(
                    *self._row(columns.co_view_starts, category, columns.co_view_categories, columns.co_view_scores)
                )
            )
        weekly = self._row(columns.related_starts, category, columns.related_categories, columns.related_scores)
        for other, share in _scaled(*weekly):
            if len(shares) >= CO_VIEW_KEPT:
                break
            shares.setdefault(other, share)
        return list(shares.items())

    def _row(self, starts: I8, row: int, ids: U4, scores: F4) -> tuple[U4, F4]:
        if row >= len(starts) - 1:
            return ids[:0], scores[:0]
        here = slice(int(starts[row]), int(starts[row + 1]))
        return ids[here], scores[here]

    def _masters(self, pids: U4) -> U4:
        known = pids < self.snapshot.pids
        masters = np.full(len(pids), NO_REASON, np.uint32)
        masters[known] = self._columns.pid_master[pids[known]]
        return masters


def _scaled(ids: U4, scores: F4) -> Sequence[tuple[int, float]]:
    highest = float(scores.max(initial=0.0))
    if highest <= 0:
        return []
    return [(number, max(score, 0.0) / highest) for number, score in zip(ids.tolist(), scores.tolist(), strict=True)]
