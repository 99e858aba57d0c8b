"""Every packed form once more: from durable tables, which give Redis back what it has lost; then from documented keys.

After a flush people's views and purchases are gone until they come again; what belongs to the catalogue is not.
"""

import time
from collections.abc import Callable, Iterator, Sequence, Set

from conch.contracts.features import Stamp
from conch.contracts.keys import FAMILIES, CatalogueKeys
from conch.features.packing import NO_PACKED, TTL_S, Packer
from conch.features.reconciling import Reconciler, rebuilt
from conch.features.refilling import AT_ONCE, Refilling, categories
from conch.stores.batches import batches
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures, SortedSet, Value, Write
from conch.stores.ids import IdIndex
from conch.stores.relations import PackedRow, Relations
from conch.stores.rollups import Rollups

REFILLED, REBUILT = "refilled", "rebuilt"
"""Members of `features_kept`: packed forms stand in Redis; so does everything."""


class Rebuilding:
    """Of one catalogue. Raises Unavailable."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        durable: Relations,
        rollups: Callable[[], Rollups],
        progress: Callable[[str], None] = lambda _: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._folder, self._hot, self._durable = folder, hot, durable
        self._progress, self._now_ms = progress, now_ms
        self._reconciler = Reconciler(folder, hot, now_ms)
        self._refilling = Refilling(folder, hot, durable, rollups, now_ms)

    def is_due(self) -> bool:
        """Redis does not say that it was ever done: it is new, was flushed, or who filled it was broken off."""
        standing = self._hot.documented(self._folder.keys.features_kept)
        return not isinstance(standing, SortedSet) or REBUILT not in standing.scores

    def rebuild(self) -> int:
        """How many keys were packed."""
        packer, keys = self._reconciler.packer(), self._folder.keys
        self._refilling.refill(packer, lambda done: self._progress(f"{done:,} keys that Redis had lost"))
        if self.is_due():
            self._hot.write([kept(keys, self._now_ms(), REFILLED)])
        done = 0
        fresh: set[str] = set()
        active = self._hot.documented(keys.active_masters)
        hot = active.scores.keys() if isinstance(active, SortedSet) else set[str]()
        for some in batches(self._durably_known(packer.ids), AT_ONCE):
            done += self._restore(packer, some, hot, fresh)
            self._progress(f"{done:,} keys from durable tables")
        for some_keys in batches(self._documented(), AT_ONCE):
            done += self._reconciler.repack([key for key in some_keys if key not in fresh], rebuilt).written
            self._progress(f"{done:,} keys packed")
        self._hot.write([kept(keys, self._now_ms())])
        return done

    def _restore(
        self, packer: Packer, features: Sequence[tuple[str, Value, int]], active: Set[str], fresh: set[str]
    ) -> int:
        """Into the durable packed rows; and into Redis, where that has lost the documented key: of categories, and of
        active masters. Those are `fresh`."""
        standing = self._durable.read([key for key, _, _ in features])
        writes = [
            self._write(packer, key, value, rebuilt(blob, made_ms or self._now_ms()))
            for (key, value, made_ms), blob in zip(features, standing, strict=True)
        ]
        self._durable.write([PackedRow(write.key, write.packed) for write in writes])
        ours = [write for write in writes if self._belongs(write.key, active)]
        stands = self._hot.exist([write.key for write in ours])
        lost = [write for write, there in zip(ours, stands, strict=True) if not there]
        self._hot.write(lost)
        fresh.update(write.key for write in lost)
        return len(writes)

    def _belongs(self, key: str, active: Set[str]) -> bool:
        family, name = self._folder.keys.parsed(key) or ("", "")
        return family != "master:sem" or name in active

    def _durably_known(self, ids: IdIndex) -> Iterator[tuple[str, Value, int]]:
        """Key, value, and when it was made in epoch ms, 0 where nobody knows."""
        keys = self._folder.keys
        for master in self._durable.masters():
            row = self._durable.semantic(master)
            if row is not None:
                related = {str(other): score for other, score in row.related.items()}
                yield keys.semantic(str(master)), SortedSet(related), int(row.inference_ts.timestamp() * 1000)
        for name in categories(ids):
            if together := self._durable.co_view(name):
                yield keys.co_view(name), SortedSet(together), 0
            if weekly := self._durable.related_categories(name):
                yield keys.related_categories(name), SortedSet(weekly), 0

    def _documented(self) -> Iterator[str]:
        for family in FAMILIES:
            yield from self._hot.scan(self._folder.keys.pattern(family))

    def _write(self, packer: Packer, key: str, value: Value, stamp: Stamp) -> Write:
        return Write(key, packer.packed(key, value, stamp), value, TTL_S.get(packer.family(key)))


def kept(keys: CatalogueKeys, now_ms: int, how_far: str = REBUILT) -> Write:
    """Says to Redis that what belongs to the catalogue stands in it."""
    return Write(keys.features_kept, NO_PACKED, SortedSet({how_far: float(now_ms)}))
