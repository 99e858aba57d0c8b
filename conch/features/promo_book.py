"""The promo book of a host: all promos of a catalogue, packed, as a generation that rankers map."""

import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from conch.contracts.features import Unreadable
from conch.contracts.identifiers import uuids_of
from conch.recommendation.choosing import FLASH_SALE, OUT_OF_STOCK
from conch.recommendation.ranking import Promos
from conch.stores import promos
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures
from conch.stores.ids import NONE, IdIndex, Kind

SCAN_S = 600.0
"""Between two looks at every key of Redis; in between, the channels tell of new promos."""

AT_ONCE = 500


def promo_fields(book: Promos, place: int) -> Mapping[str, str]:
    """What the documented hash of one of them says; a field that is ignored stays one."""
    flags = int(book.flags[place])
    said = {
        "boost": "" if np.isnan(book.boosts[place]) else str(book.boosts[place]),
        "ad_bid": "" if np.isnan(book.bids[place]) else str(book.bids[place]),
        "expiry": str(book.expiries[place]) if book.expiries[place] else "",
        "out_of_stock": "1" if flags & OUT_OF_STOCK else "",
        "flash_sale": "1" if flags & FLASH_SALE else "",
    }
    return {name: text for name, text in said.items() if text}


class PromoBookWriter:
    """Of one catalogue. Raises Unavailable where Redis is away; then the generation before stays."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._folder, self._hot = folder, hot
        self._clock, self._now_ms = clock, now_ms
        self._known: set[str] = set()
        self._scanned = -SCAN_S

    def heard(self, keys: Iterable[str]) -> None:
        """Promos that are new, changed or gone."""
        self._known.update(keys)

    def write(self) -> int:
        """The number of the new generation."""
        now_ms = self._now_ms()
        if self._clock() - self._scanned >= SCAN_S:
            self._known = set(self._hot.scan(self._folder.keys.pattern("promo")))
            self._scanned = self._clock()
        return promos.publish(self._folder.promos, self._read(), now_ms)

    def _read(self) -> Promos:
        keys = sorted(self._known)
        names = [(self._folder.keys.parsed(key) or ("", ""))[1] for key in keys]
        pids = IdIndex.open(self._folder.ids).look_up(Kind.PIDS, uuids_of(self._folder.name, names))
        rows = {}
        for at in range(0, len(keys), AT_ONCE):
            for place, blob in enumerate(self._hot.read(keys[at : at + AT_ONCE]), at):
                try:
                    row = promos.promo_row(blob) if blob is not None else None
                except Unreadable:
                    row = None
                if row is not None and pids[place] != NONE:
                    rows[int(pids[place])] = row
        numbers = sorted(rows)
        known = np.array(numbers, np.uint32)
        return Promos(
            pids=known,
            boosts=np.array([rows[number]["boosts"] for number in numbers], np.float32),
            bids=np.array([rows[number]["bids"] for number in numbers], np.float32),
            expiries=np.array([rows[number]["expiries"] for number in numbers], np.int64),
            flags=np.array([rows[number]["flags"] for number in numbers], np.uint32),
        )
