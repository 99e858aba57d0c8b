"""Lists that were served, kept for their next pages: in Redis, bound to the catalogue, the user and the variant.

Who asks under another name finds nothing, as if the list had never been.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from conch.contracts.errors import NotFound, Unavailable
from conch.contracts.features import Family, Packed, Stamp, Unreadable, pack, unpack
from conch.contracts.items import ITEM
from conch.contracts.keys import PACKED_TTL, SERVED_TTL_S
from conch.contracts.provenance import FALLBACKS, SOURCES
from conch.stores.features import Write
from conch.stores.ids import Kind
from gateway.recommending.items import RankedList
from gateway.recommending.keeping import Keeping
from gateway.recommending.shelf import Shelf, Shelves

NOT_KEPT = "redis: the next pages are not kept"

_COLUMNS = {
    "pids": "pid",
    "masters": "master",
    "scores": "score",
    "prices": "price",
    "bases": "base",
    "sources": "sources",
    "changes": "changes",
    "reasons": "reason",
}
"""Of a list that is kept, by what an item calls them."""

_ADJUSTMENTS = ("boosts", "flash_bonuses", "bids")


@dataclass(frozen=True, slots=True)
class Reader:
    """To whom a list was served, and as what."""

    user: str
    variant: str
    segment: str = ""


class ServedLists:
    def __init__(self, shelves: Shelves, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._shelves = shelves
        self._keeping = Keeping(shelves)
        self._now_ms = now_ms

    async def keep(
        self, shelf: Shelf, recommendation_id: str, reader: Reader, ranked: RankedList, fallback: str
    ) -> bool:
        """False where there is nothing to keep it in: then there are no next pages."""
        stock = shelf.stock
        if stock.hot is None:
            return False
        stamp = Stamp(window_end_ms=self._now_ms())
        blob = pack(Packed(Family.SERVED, _packed(ranked, fallback), shelf.ids.generation, stamp))
        key = shelf.keys.served(recommendation_id, reader.user, reader.variant, reader.segment)
        # What is packed alone is kept as long as it would outlive what it stands beside.
        write = Write(key, blob, ttl_s=SERVED_TTL_S // (PACKED_TTL - 1))
        try:
            await self._keeping.keep(stock.hot, stock.breaker, write)
        except Unavailable:
            return False
        return True

    async def find(
        self, shelf: Shelf, recommendation_id: str, readers: Sequence[Reader]
    ) -> tuple[Reader, RankedList, str]:
        """Which of them it was served to, and its fallback. Raises NotFound; Unavailable while nobody can look."""
        hot = shelf.stock.hot
        unknown = NotFound(f"no list {recommendation_id[:40]!r} was served to this user in the last {SERVED_TTL_S} s")
        if hot is None or not _is_uuid(recommendation_id):
            raise unknown.about("recommendation_id")
        keys = [shelf.keys.served(recommendation_id, one.user, one.variant, one.segment) for one in readers]
        blobs = await self._shelves.aside(lambda: shelf.stock.breaker.run(lambda: hot.read(keys)))
        reader, blob = next((pair for pair in zip(readers, blobs, strict=True) if pair[1]), (readers[0], b""))
        try:
            packed = unpack(blob or b"", Family.SERVED)
        except Unreadable:
            raise unknown.about("recommendation_id") from None
        if self._now_ms() - packed.stamp.window_end_ms > SERVED_TTL_S * 1_000:
            raise unknown.about("recommendation_id")
        return reader, *_unpacked(shelf, packed)


def _packed(ranked: RankedList, fallback: str) -> dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]:
    of_fallback = FALLBACKS.index(fallback) if fallback in FALLBACKS else 0
    rows = ranked.rows
    return {
        **{kept: rows[name] for kept, name in _COLUMNS.items()},
        **{kept: rows["parts"][:, place] for place, kept in enumerate(SOURCES)},
        **{kept: rows["adjustments"][:, place] for place, kept in enumerate(_ADJUSTMENTS)},
        "fallbacks": np.full(len(rows), of_fallback, np.uint32),
    }


def _unpacked(shelf: Shelf, packed: Packed) -> tuple[RankedList, str]:
    kept = packed.columns
    rows = np.empty(len(kept["pids"]), ITEM)
    for column, name in _COLUMNS.items():
        rows[name] = kept[column]
    rows["parts"] = np.stack([kept[name] for name in SOURCES], axis=1)
    rows["adjustments"] = np.stack([kept[name] for name in _ADJUSTMENTS], axis=1)
    rows["pid_uuid"] = shelf.ids.uuids(Kind.PIDS, rows["pid"])
    rows["master_uuid"] = shelf.ids.uuids(Kind.MASTERS, rows["master"])
    numbers = kept["fallbacks"].tolist()
    known = bool(numbers) and numbers[0] < len(FALLBACKS)
    return RankedList(rows), FALLBACKS[numbers[0]] if known else ""


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
