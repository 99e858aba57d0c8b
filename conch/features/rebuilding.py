"""Every packed form once more: from durable tables, which give Redis back what it has lost; then from documented keys.

After a flush people's views and purchases are gone until they come again; what belongs to the catalogue is not.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar
from uuid import UUID

from conch.contracts.errors import Unavailable
from conch.contracts.features import Stamp
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import BEST_SELLERS_KEPT, FAMILIES, CatalogueKeys
from conch.features.packing import NO_PACKED, TTL_S, Packer
from conch.features.promo_book import promo_fields
from conch.features.reconciling import Reconciler, rebuilt
from conch.stores import promos
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash, HotFeatures, SortedSet, Value, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.relations import PackedRow, Relations
from conch.stores.rollups import Rollups
from conch.stores.snapshot import Snapshot

AT_ONCE = 200

KEPT = "rebuilt"
"""Member of `features_kept`."""

Item = TypeVar("Item")


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
        self._folder, self._hot, self._durable, self._rollups = folder, hot, durable, rollups
        self._progress, self._now_ms = progress, now_ms
        self._reconciler = Reconciler(folder, hot, now_ms)

    def is_due(self) -> bool:
        """Redis does not say that it was ever done: it is new, or was flushed."""
        return self._hot.documented(self._folder.keys.features_kept) is None

    def rebuild(self) -> int:
        """How many keys were packed."""
        packer = self._reconciler.packer()
        done = 0
        for some in _batches(self._durably_known(packer.ids), AT_ONCE):
            done += self._restore(packer, some)
            self._progress(f"{done:,} keys from durable tables")
        for lost in _batches(self._lost(packer.ids), AT_ONCE):
            self._hot.write([self._write(packer, key, value) for key, value in lost])
        for writes in _batches(self._promos(packer), AT_ONCE):
            self._hot.write(writes)
        self._active(packer.ids)
        for keys in _batches(self._documented(), AT_ONCE):
            done += self._reconciler.repack(keys, rebuilt).written
            self._progress(f"{done:,} keys packed")
        self._hot.write([kept(self._folder.keys, self._now_ms())])
        return done

    def _restore(self, packer: Packer, features: Sequence[tuple[str, Value, int]]) -> int:
        """Into the durable packed rows, and into Redis where it has lost the documented key."""
        standing = self._durable.read([key for key, _, _ in features])
        writes = [
            self._write(packer, key, value, rebuilt(blob, made_ms or self._now_ms()))
            for (key, value, made_ms), blob in zip(features, standing, strict=True)
        ]
        self._durable.write([PackedRow(write.key, write.packed) for write in writes])
        lost = [write for write in writes if self._hot.documented(write.key) is None]
        self._hot.write(lost)
        return len(writes)

    def _durably_known(self, ids: IdIndex) -> Iterator[tuple[str, Value, int]]:
        """Key, value, and when it was made in epoch ms, 0 where nobody knows."""
        keys = self._folder.keys
        for master in self._durable.masters():
            row = self._durable.semantic(master)
            if row is not None:
                related = {str(other): score for other, score in row.related.items()}
                yield keys.semantic(str(master)), SortedSet(related), int(row.inference_ts.timestamp() * 1000)
        for name in _categories(ids):
            if together := self._durable.co_view(name):
                yield keys.co_view(name), SortedSet(together), 0
            if weekly := self._durable.related_categories(name):
                yield keys.related_categories(name), SortedSet(weekly), 0

    def _lost(self, ids: IdIndex) -> Iterator[tuple[str, Value]]:
        """What the rollups and the durable table of offers say, and Redis does not any more."""
        keys, snapshot = self._folder.keys, Snapshot.open(self._folder.snapshot)
        names = [name for name in _categories(ids) if self._hot.documented(keys.best_sellers(name)) is None]
        for name, sold in self._sold(names):
            yield keys.best_sellers(name), SortedSet(sold)
        for name in texts_of(ids.uuids(Kind.MASTERS, snapshot.columns.relation_masters)):
            offers = self._durable.offers(UUID(name)) if self._hot.documented(keys.offers(name)) is None else None
            if offers is not None:
                yield keys.offers(name), Hash({str(pid): text for pid, text in offers.metadata.items()})

    def _promos(self, packer: Packer) -> Iterator[Write]:
        """Of the host's promo book, where Redis has lost them: what is out of stock is not sold for having been so."""
        book, written_ms = promos.published(self._folder.promos)
        for place, name in enumerate(texts_of(packer.ids.uuids(Kind.PIDS, book.pids))):
            key, fields = self._folder.keys.promo(name), promo_fields(book, place)
            if fields and self._hot.documented(key) is None:
                yield self._write(packer, key, Hash(fields), Stamp(0, written_ms, 0))

    def _sold(self, names: Sequence[str]) -> Iterator[tuple[str, Mapping[str, float]]]:
        try:
            rollups = self._rollups()
        except Unavailable:
            return
        try:
            for name in names:
                best = dict(rollups.best_sellers(name, self._now_ms(), BEST_SELLERS_KEPT))
                if best:
                    yield name, best
        finally:
            rollups.close()

    def _active(self, ids: IdIndex) -> None:
        """Where Redis has lost them: those whose relations the snapshot has."""
        snapshot, key = Snapshot.open(self._folder.snapshot), self._folder.keys.active_masters
        names = texts_of(ids.uuids(Kind.MASTERS, snapshot.columns.relation_masters))
        if names and self._hot.documented(key) is None:
            self._hot.write([Write(key, NO_PACKED, SortedSet(dict.fromkeys(names, float(snapshot.about.written_ms))))])

    def _documented(self) -> Iterator[str]:
        for family in FAMILIES:
            yield from self._hot.scan(self._folder.keys.pattern(family))

    def _write(self, packer: Packer, key: str, value: Value, stamp: Stamp | None = None) -> Write:
        packed = packer.packed(key, value, stamp or Stamp(0, self._now_ms(), 0))
        return Write(key, packed, value, TTL_S.get(packer.family(key)))


def kept(keys: CatalogueKeys, now_ms: int) -> Write:
    """Says to Redis that all that belongs to the catalogue stands in it."""
    return Write(keys.features_kept, NO_PACKED, SortedSet({KEPT: float(now_ms)}))


def _categories(ids: IdIndex) -> Iterator[str]:
    for number in range(ids.size(Kind.CATEGORIES)):
        yield ids.text(Kind.CATEGORIES, number)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some
