"""What sells best in a category, or of everything, within 100 ms: Redis first, then the sales rollups, then the host's
last snapshot."""

import asyncio

import numpy as np

from conch.contracts.errors import NotFound, Unavailable
from conch.contracts.features import Family, Unreadable, unpack
from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import BEST_SELLERS_KEPT
from conch.contracts.provenance import NO_REASON
from conch.contracts.recommendation import BestSeller, BestSellers
from conch.stores.ids import NONE, Kind
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

FROM_ROLLUPS = "redis: best sellers from the rollups"
FROM_SNAPSHOT = "redis, rollups: best sellers from the last snapshot"


class SellingBest:
    def __init__(self, shelves: Shelves, stores_s: float = STORES_S) -> None:
        self._shelves = shelves
        self._stores_s = stores_s

    async def best_sellers(self, category: str, k: int, call: Call) -> BestSellers:
        check_permitted(MODEL, call.asked_by_somebody())
        k = checked_k(k, DEFAULT_K, BEST_SELLERS_KEPT)
        shelf = await self._shelves.of(call.identity.tenant)
        if not category:
            columns = shelf.snapshot.columns
            # Of everything there is no key: the snapshot alone knows.
            return _answer(shelf, columns.popular_pids, columns.popular_scores, k, shelf.degraded)
        found = shelf.category_of(category)
        if found == NO_REASON:
            raise NotFound(f"category {category[:80]!r} is none of the catalogue's").about("category")
        return await self._of_category(shelf, found, k)

    async def _of_category(self, shelf: Shelf, category: int, k: int) -> BestSellers:
        began = asyncio.get_running_loop().time()
        away = False
        try:
            hot = await self._hot(shelf, category, began + HOT_SHARE * self._stores_s)
        except (Unavailable, TimeoutError):
            away, hot = True, None
        if hot is not None:
            return _answer(shelf, *hot, k, shelf.degraded)
        sold = await _sold(shelf, category, began + self._stores_s)
        told = (FROM_ROLLUPS if sold is not None else FROM_SNAPSHOT,) if away else ()
        # Where nothing was sold the snapshot has the best rated.
        return _answer(shelf, *(sold or _of_snapshot(shelf, category)), k, (*shelf.degraded, *told))

    async def _hot(self, shelf: Shelf, category: int, until: float) -> tuple[U4, F4] | None:
        """None where Redis has none, or there is no Redis."""
        stock = shelf.stock
        if (hot := stock.hot) is None:
            return None
        key = shelf.keys.best_sellers(shelf.ids.text(Kind.CATEGORIES, category))
        async with asyncio.timeout_at(until):
            (blob,) = await self._shelves.aside(lambda: stock.breaker.run(lambda: hot.read([key])))
        if blob is None:
            return None
        try:
            columns = unpack(blob, Family.BEST_SELLERS).columns
        except Unreadable:
            return None
        return columns["ids"], columns["scores"]  # type: ignore[return-value]


async def _sold(shelf: Shelf, category: int, until: float) -> tuple[U4, F4] | None:
    """None where the rollups say nothing in time. What comes too late is there for who asks next."""
    if (sold := shelf.stock.sold) is None:
        return None
    asked = sold.best(shelf.ids.text(Kind.CATEGORIES, category))
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


def _of_snapshot(shelf: Shelf, category: int) -> tuple[U4, F4]:
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
