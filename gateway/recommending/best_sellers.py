"""What sells best in a category, or of everything, within 100 ms: Redis first, then the host's last snapshot.

The sales rollups of the embedded stack are one process' own file; what they say comes by way of the snapshot, which
their owner writes.
"""

import asyncio

from conch.contracts.errors import NotFound, Unavailable
from conch.contracts.features import Family, Unreadable, unpack
from conch.contracts.keys import BEST_SELLERS_KEPT
from conch.contracts.provenance import NO_REASON
from conch.contracts.recommendation import BestSeller, BestSellers
from conch.stores.ids import Kind
from conch.stores.snapshot import F4, U4
from gateway.calls import Call
from gateway.permitted import check_permitted
from gateway.recommending.recommending import MODEL, checked_k
from gateway.recommending.shelf import Shelf, Shelves, number

DEFAULT_K = 10

HOT_S = 0.08
"""For Redis: what is left of 100 ms is the snapshot's."""

FROM_SNAPSHOT = "redis: best sellers from the last snapshot"


class SellingBest:
    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

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
        try:
            hot = await self._hot(shelf, found)
        except (Unavailable, TimeoutError):
            return _answer(shelf, *_of_snapshot(shelf, found), k, (FROM_SNAPSHOT,))
        return _answer(shelf, *(hot if hot is not None else _of_snapshot(shelf, found)), k, shelf.degraded)

    async def _hot(self, shelf: Shelf, category: int) -> tuple[U4, F4] | None:
        """None where Redis has none, or there is no Redis."""
        stock = shelf.stock
        if (hot := stock.hot) is None:
            return None
        key = shelf.keys.best_sellers(shelf.ids.text(Kind.CATEGORIES, category))
        async with asyncio.timeout(HOT_S):
            (blob,) = await self._shelves.aside(lambda: stock.breaker.run(lambda: hot.read([key])))
        if blob is None:
            return None
        try:
            columns = unpack(blob, Family.BEST_SELLERS).columns
        except Unreadable:
            return None
        return columns["ids"], columns["scores"]  # type: ignore[return-value]


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
