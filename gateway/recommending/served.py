"""Lists that were served, kept for their next pages: in Redis, bound to the catalogue, the user and the variant.

Who asks under another name finds nothing, as if the list had never been.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from conch.contracts.errors import NotFound, Unavailable
from conch.contracts.features import Family, Packed, Stamp, Unreadable, pack, unpack
from conch.contracts.keys import PACKED_TTL, SERVED_TTL_S
from conch.contracts.provenance import FALLBACKS, SOURCES
from conch.stores.features import Write
from conch.stores.ids import Kind
from gateway.recommending.items import Columns
from gateway.recommending.shelf import Shelf, Shelves

NOT_KEPT = "redis: the next pages are not kept"

_ADJUSTMENTS = ("boosts", "flash_bonuses", "bids")


@dataclass(frozen=True, slots=True)
class Reader:
    """To whom a list was served."""

    user: str
    variant: str


class ServedLists:
    def __init__(self, shelves: Shelves, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._shelves = shelves
        self._now_ms = now_ms

    async def keep(self, shelf: Shelf, recommendation_id: str, reader: Reader, columns: Columns, fallback: str) -> bool:
        """False where there is nothing to keep it in: then there are no next pages."""
        hot = shelf.stock.hot
        if hot is None:
            return False
        stamp = Stamp(window_end_ms=self._now_ms())
        blob = pack(Packed(Family.SERVED, _packed(columns, fallback), shelf.ids.generation, stamp))
        key = shelf.keys.served(recommendation_id, reader.user, reader.variant)
        # What is packed alone is kept as long as it would outlive what it stands beside.
        write = Write(key, blob, ttl_s=SERVED_TTL_S // (PACKED_TTL - 1))
        try:
            await self._shelves.aside(lambda: shelf.stock.breaker.run(lambda: hot.write([write])))
        except Unavailable:
            return False
        return True

    async def find(self, shelf: Shelf, recommendation_id: str, reader: Reader) -> tuple[Columns, str]:
        """And its fallback. Raises NotFound; Unavailable while nobody can look."""
        hot = shelf.stock.hot
        unknown = NotFound(f"no list {recommendation_id[:40]!r} was served to this user in the last {SERVED_TTL_S} s")
        if hot is None or not _is_uuid(recommendation_id):
            raise unknown.about("recommendation_id")
        key = shelf.keys.served(recommendation_id, reader.user, reader.variant)
        (blob,) = await self._shelves.aside(lambda: shelf.stock.breaker.run(lambda: hot.read([key])))
        try:
            packed = unpack(blob or b"", Family.SERVED)
        except Unreadable:
            raise unknown.about("recommendation_id") from None
        if self._now_ms() - packed.stamp.window_end_ms > SERVED_TTL_S * 1_000:
            raise unknown.about("recommendation_id")
        return _unpacked(shelf, packed)


def _packed(columns: Columns, fallback: str) -> dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]:
    of_fallback = FALLBACKS.index(fallback) if fallback in FALLBACKS else 0
    return {
        "pids": columns.pids,
        "masters": columns.masters,
        "scores": columns.scores,
        "prices": columns.prices,
        "bases": columns.bases,
        "sources": columns.sources,
        "changes": columns.changes,
        "reasons": columns.reasons,
        **{name: columns.parts[:, place] for place, name in enumerate(SOURCES)},
        **{name: columns.adjustments[:, place] for place, name in enumerate(_ADJUSTMENTS)},
        "fallbacks": np.full(len(columns), of_fallback, np.uint32),
    }


def _unpacked(shelf: Shelf, packed: Packed) -> tuple[Columns, str]:
    kept = packed.columns
    pids, masters = kept["pids"].astype(np.uint32), kept["masters"].astype(np.uint32)
    columns = Columns(
        pids=pids,
        pid_uuids=shelf.ids.uuids(Kind.PIDS, pids),
        masters=masters,
        master_uuids=shelf.ids.uuids(Kind.MASTERS, masters),
        scores=kept["scores"],
        prices=kept["prices"],
        sources=kept["sources"],
        parts=np.stack([kept[name] for name in SOURCES], axis=1),
        reasons=kept["reasons"],
        bases=kept["bases"],
        changes=kept["changes"],
        adjustments=np.stack([kept[name] for name in _ADJUSTMENTS], axis=1),
    )
    numbers = kept["fallbacks"].tolist()
    known = bool(numbers) and numbers[0] < len(FALLBACKS)
    return columns, FALLBACKS[numbers[0]] if known else ""


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
