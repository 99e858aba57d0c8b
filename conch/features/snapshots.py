"""The snapshot of a host: the columns of an import, and beside them what changes by the minute, read from the stores.

    best sellers           Redis, packed; while it is away the rollups; where nothing has sold, the best rated
    co-view, related       Redis, packed; then the durable store
    relations of the       Redis, packed; then the durable store: they answer when no store does
    active masters

What a store that is away would have said stays as the snapshot before has it, and so does its age.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conch.contracts.errors import Unavailable
from conch.contracts.features import Family, Unreadable, unpack
from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import BEST_SELLERS_KEPT
from conch.features.wares import best_rated
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures, SortedSet
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.relations import Relations
from conch.stores.rollups import ALL, Rollups
from conch.stores.snapshot import F4, I8, U4, About, Columns, Snapshot, csr, publish

AT_ONCE = 500
"""Keys of one wave."""

ACTIVE_KEPT = 10_000
"""Active masters whose relations a snapshot has: some 8 MB."""

Scored = tuple[U4, F4]
_NOTHING: Scored = (np.zeros(0, np.uint32), np.zeros(0, np.float32))


class SnapshotWriter:
    """Of one catalogue; whoever calls `write` holds its lease."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        durable: Relations,
        rollups: Callable[[], Rollups],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`rollups` opens them, and may raise Unavailable."""
        self._folder = folder
        self._hot, self._durable, self._rollups = hot, durable, rollups
        self._now_ms = now_ms

    def write(self, wares: Columns | None = None) -> int:
        """The number of the new generation. Without `wares` those of the snapshot before stay."""
        ids = IdIndex.open(self._folder.ids)
        before = Snapshot.open(self._folder.snapshot)
        columns = before.columns if wares is None else wares
        now = self._now_ms()
        try:
            lists = self._read(ids, columns)
        except Unavailable:
            lists, now = self._without_redis(ids, columns, before), before.about.written_ms or now
        return publish(self._folder.snapshot, replace(columns, **lists), About(ids.generation, now, {}))

    def _read(self, ids: IdIndex, columns: Columns) -> dict[str, Any]:
        keys = self._folder.keys
        names = [ids.text(Kind.CATEGORIES, number) for number in range(len(columns.category_parent))]
        best = self._lists([keys.best_sellers(name) for name in names], Family.BEST_SELLERS)
        co_view = self._lists([keys.co_view(name) for name in names], Family.CO_VIEW)
        related = self._lists([keys.related_categories(name) for name in names], Family.RELATED_CATEGORIES)
        return {
            **_best(columns, best, _popular(columns, best)),
            **_table("co_view", "categories", co_view),
            **_table("related", "categories", related),
            **self._relations(ids),
        }

    def _lists(self, keys: Sequence[str], family: Family) -> list[Scored]:
        """Of each key; what Redis does not have, the durable store may."""
        lists = [_scored(blob, family) for blob in _waves(self._hot.read, keys)]
        missing = [place for place, one in enumerate(lists) if one is None]
        if missing and family is not Family.BEST_SELLERS:
            try:
                rows = _waves(self._durable.read, [keys[place] for place in missing])
            except Unavailable:
                rows = [None] * len(missing)
            for place, row in zip(missing, rows, strict=True):
                lists[place] = _scored(row, family)
        return [_NOTHING if one is None else one for one in lists]

    def _relations(self, ids: IdIndex) -> dict[str, Any]:
        active = self._hot.documented(self._folder.keys.active_masters)
        times = active.scores if isinstance(active, SortedSet) else {}
        latest = sorted(times, key=lambda master: (-times[master], master))
        hot = self._numbers(ids, latest)
        numbers = np.unique(hot[:ACTIVE_KEPT])
        names = texts_of(ids.uuids(Kind.MASTERS, numbers))
        lists = self._lists([self._folder.keys.semantic(name) for name in names], Family.SEMANTIC)
        known = [place for place, (related, _) in enumerate(lists) if len(related)]
        found = _table("relation", "ids", [lists[place] for place in known])
        return {"active_masters": np.unique(hot), "relation_masters": numbers[known], **found}

    def _numbers(self, ids: IdIndex, masters: Sequence[str]) -> U4:
        """In order; without those that are unknown."""
        if not masters:
            return _NOTHING[0]
        numbers = ids.look_up(Kind.MASTERS, uuids_of(self._folder.name, masters))
        known: U4 = numbers[numbers != NONE]
        return known

    def _without_redis(self, ids: IdIndex, columns: Columns, before: Snapshot) -> dict[str, Any]:
        stays = _stays(before.columns, len(columns.category_parent))
        names = [ids.text(Kind.CATEGORIES, number) for number in range(len(columns.category_parent))]
        try:
            rollups = self._rollups()
        except Unavailable:
            return stays
        try:
            best = [self._sold(rollups, ids, name) for name in names]
            return {**stays, **_best(columns, best, self._sold(rollups, ids, ALL))}
        except Unavailable:
            return stays
        finally:
            rollups.close()

    def _sold(self, rollups: Rollups, ids: IdIndex, category: str) -> Scored:
        rows = rollups.best_sellers(category, self._now_ms(), BEST_SELLERS_KEPT)
        if not rows:
            return _NOTHING
        pids = ids.look_up(Kind.PIDS, uuids_of(self._folder.name, [pid for pid, _ in rows]))
        scores = np.array([score for _, score in rows], np.float32)
        return _ordered(pids[pids != NONE], scores[pids != NONE])


def _waves(read: Callable[[Sequence[str]], Sequence[bytes | None]], keys: Sequence[str]) -> list[bytes | None]:
    return [blob for at in range(0, len(keys), AT_ONCE) for blob in read(keys[at : at + AT_ONCE])]


def _scored(blob: bytes | None, family: Family) -> Scored | None:
    if blob is None:
        return None
    try:
        columns = unpack(blob, family).columns
    except Unreadable:
        return None
    ids, scores = columns["ids"], columns["scores"]
    return _ordered(ids.astype(np.uint32), scores.astype(np.float32))


def _ordered(ids: U4, scores: F4) -> Scored:
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]


def _best(columns: Columns, best: Sequence[Scored], popular: Scored) -> dict[str, Any]:
    """The best rated stand in for what sells best where nothing has sold: an empty shelf helps nobody."""
    if all(len(pids) for pids, _ in best) and len(popular[0]):
        filled = best
    else:
        filled = _filled(columns, best)
        popular = popular if len(popular[0]) else _in_turn(columns, filled)
    return {**_table("best", "pids", filled), "popular_pids": popular[0], "popular_scores": popular[1]}


def _filled(columns: Columns, best: Sequence[Scored]) -> list[Scored]:
    categories, pids = best_rated(columns)
    starts, (rated,) = csr(len(best), categories, pids)
    filled: list[Scored] = []
    for number, sold in enumerate(best):
        own = rated[starts[number] : starts[number + 1]]
        filled.append(sold if len(sold[0]) else (own, columns.pid_rating[own]))
    return filled


def _popular(columns: Columns, best: Sequence[Scored]) -> Scored:
    """Best sellers of the roots together: every pid stands under one of them."""
    roots = [best[number] for number in np.flatnonzero(columns.category_parent == NONE)]
    ids, scores = _together(roots)
    pids, order = _ordered(ids, scores)
    return pids[:BEST_SELLERS_KEPT], order[:BEST_SELLERS_KEPT]


def _in_turn(columns: Columns, best: Sequence[Scored]) -> Scored:
    """The first of each root, then the second: where nothing has sold, no root is better than another."""
    roots = [best[number][0] for number in np.flatnonzero(columns.category_parent == NONE)]
    ranks = [np.arange(len(pids)) for pids in roots]
    if not roots:
        return _NOTHING
    rank = np.concatenate(ranks)
    order = np.argsort(rank, kind="stable")[:BEST_SELLERS_KEPT]
    pids: U4 = np.concatenate(roots)[order]
    return pids, (1 / (1 + rank[order])).astype(np.float32)


def _table(name: str, values: str, lists: Sequence[Scored]) -> dict[str, Any]:
    starts: I8 = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(ids) for ids, _ in lists], out=starts[1:])
    ids, scores = _together(lists)
    return {f"{name}_starts": starts, f"{name}_{values}": ids, f"{name}_scores": scores}


def _together(lists: Iterable[Scored]) -> Scored:
    some = list(lists)
    if not some:
        return _NOTHING
    return np.concatenate([ids for ids, _ in some]), np.concatenate([scores for _, scores in some])


def _stays(columns: Columns, categories: int) -> dict[str, Any]:
    """Of the snapshot before: its lists, and none for categories that are new."""
    stays: dict[str, Any] = {
        "popular_pids": columns.popular_pids,
        "popular_scores": columns.popular_scores,
        "active_masters": columns.active_masters,
        "relation_masters": columns.relation_masters,
        "relation_starts": columns.relation_starts,
        "relation_ids": columns.relation_ids,
        "relation_scores": columns.relation_scores,
    }
    for name, values in (("best", "pids"), ("co_view", "categories"), ("related", "categories")):
        starts = getattr(columns, f"{name}_starts")
        more = categories + 1 - len(starts)
        stays[f"{name}_starts"] = np.concatenate([starts, np.repeat(starts[-1:], more)]) if more > 0 else starts
        stays[f"{name}_{values}"] = getattr(columns, f"{name}_{values}")
        stays[f"{name}_scores"] = getattr(columns, f"{name}_scores")
    return stays
