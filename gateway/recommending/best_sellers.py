"""What sells best in a category, or of everything, within 100 ms: Redis first, then the sales rollups, then the host's
last snapshot."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conch.contracts.errors import NotFound, Unavailable
from conch.contracts.features import Family, Unreadable, unpack
from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import BEST_SELLERS_KEPT
from conch.contracts.provenance import NO_REASON
from conch.contracts.recommendation import BestSeller, BestSellers
from conch.stores.ids import NONE, Kind
from conch.stores.rollups import ALL
from conch.stores.snapshot import F4, U4
from gateway.calls import Call
from gateway.permitted import check_permitted
from gateway.recommending.recommending import MODEL, checked_k
from gateway.recommending.shelf import Shelf, Shelves, number

DEFAULT_K = 10

STORES_S = 0.09
"""For Redis and the rollups together: what is left of 100 ms is the snapshot's."""

HOT_SHARE = 2 / 3
"""Of it: Redis may be frozen."""

MOST_ROOTS = 500
"""What sells best of everything is what sells best of its roots; of more of them Redis is not asked at once."""

FROM_ROLLUPS = "redis: best sellers from the rollups"
FROM_SNAPSHOT = "redis, rollups: best sellers from the last snapshot"


Sold = tuple[U4, F4]
"""Pids and scores, the best first."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Of a category, or of everything."""

    keys: Sequence[str]
    """Documented ones, of Redis; none where Redis is not asked."""
    rolled_up: str
    """What the rollups call it."""
    standing: Sold
    """Of the snapshot."""


class SellingBest:
    def __init__(self, shelves: Shelves, stores_s: float = STORES_S) -> None:
        self._shelves = shelves
        self._stores_s = stores_s

    async def best_sellers(self, category: str, k: int, call: Call) -> BestSellers:
        check_permitted(MODEL, call.asked_by_somebody())
        k = checked_k(k, DEFAULT_K, BEST_SELLERS_KEPT)
        shelf = await self._shelves.of(call.identity.tenant)
        return await self._found(shelf, _everything(shelf) if not category else _one(shelf, category), k)

    async def _found(self, shelf: Shelf, asked: _Asked, k: int) -> BestSellers:
        began = asyncio.get_running_loop().time()
        away = False
        try:
            hot = await self._hot(shelf, asked.keys, began + HOT_SHARE * self._stores_s)
        except (Unavailable, TimeoutError):
            away, hot = True, None
        if hot is not None:
            return _answer(shelf, *hot, k, shelf.degraded)
        sold = await _sold(shelf, asked.rolled_up, began + self._stores_s)
        told = (FROM_ROLLUPS if sold is not None else FROM_SNAPSHOT,) if away else ()
        # Where nothing was sold the snapshot has the best rated.
        return _answer(shelf, *(sold or asked.standing), k, (*shelf.degraded, *told))

    async def _hot(self, shelf: Shelf, keys: Sequence[str], until: float) -> Sold | None:
        """None where Redis has none, or there is no Redis."""
        stock = shelf.stock
        if (hot := stock.hot) is None or not keys:
            return None

        def read() -> Sold | None:
            *lists, kept = stock.breaker.run(lambda: hot.read([*keys, shelf.keys.features_kept]))
            # Of a Redis that was just flushed a root's own list may stand, and the others not yet.
            return _together(lists) if kept is not None or len(keys) == 1 else None

        async with asyncio.timeout_at(until):
            return await self._shelves.aside(read)


def _one(shelf: Shelf, category: str) -> _Asked:
    found = shelf.category_of(category)
    if found == NO_REASON:
        raise NotFound(f"category {category[:80]!r} is none of the catalogue's").about("category")
    name = shelf.ids.text(Kind.CATEGORIES, found)
    return _Asked([shelf.keys.best_sellers(name)], name, _of_snapshot(shelf, found))


def _everything(shelf: Shelf) -> _Asked:
    columns = shelf.snapshot.columns
    roots = np.flatnonzero(columns.category_parent == NO_REASON).tolist()
    names = [shelf.ids.text(Kind.CATEGORIES, root) for root in roots] if len(roots) <= MOST_ROOTS else []
    return _Asked(list(map(shelf.keys.best_sellers, names)), ALL, (columns.popular_pids, columns.popular_scores))


def _together(blobs: Sequence[bytes | None]) -> Sold | None:
    """None where none of them says anything."""
    lists = []
    for blob in blobs:
        try:
            columns = unpack(blob, Family.BEST_SELLERS).columns if blob is not None else None
        except Unreadable:
            columns = None
        if columns is not None and len(columns["ids"]):
            lists.append(columns)
    if not lists:
        return None
    pids = np.concatenate([columns["ids"] for columns in lists]).astype(np.uint32)
    scores = np.concatenate([columns["scores"] for columns in lists]).astype(np.float32)
    order = np.lexsort((pids, -scores))[:BEST_SELLERS_KEPT]
    return pids[order], scores[order]


async def _sold(shelf: Shelf, category: str, until: float) -> Sold | None:
    """None where the rollups say nothing in time. What comes too late is there for who asks next."""
    if (sold := shelf.stock.sold) is None:
        return None
    asked = sold.best(category)
    if not asked.done():
        waited = until - asyncio.get_running_loop().time()
        await asyncio.wait({asyncio.wrap_future(asked)}, timeout=max(0.0, waited))
    rows = asked.result() if asked.done() and not asked.cancelled() else None
    if not rows:
        return None
    pids = shelf.ids.look_up(Kind.PIDS, uuids_of(shelf.name, [pid for pid, _ in rows]))
    scores = np.array([score for _, score in rows], np.float32)
    known = pids != NONE
    return (pids[known], scores[known]) if known.any() else None


def _of_snapshot(shelf: Shelf, category: int) -> Sold:
    columns = shelf.snapshot.columns
    if category >= shelf.snapshot.categories:
        return columns.best_pids[:0], columns.best_scores[:0]
    here = slice(int(columns.best_starts[category]), int(columns.best_starts[category + 1]))
    return columns.best_pids[here], columns.best_scores[here]


def _answer(shelf: Shelf, pids: U4, scores: F4, k: int, degraded: tuple[str, ...]) -> BestSellers:
    known = pids < shelf.snapshot.pids
    best, values = number(pids[known][:k].tolist()), scores[known][:k]
    masters = shelf.snapshot.columns.pid_master[best] if len(best) else best
    rows = zip(shelf.texts(Kind.PIDS, best), shelf.texts(Kind.MASTERS, masters), values.tolist(), strict=True)
    return BestSellers(tuple(BestSeller(*row) for row in rows), degraded)
