"""What a flushed Redis is given back before anything else, so that answers are whole again soon.

Packed relations of active masters as the durable store has them, best sellers of the rollups, offers, promos of the
host's book, and which masters are active. Only what Redis does not have: who wrote meanwhile is newer.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import UUID

from conch.contracts.errors import Unavailable
from conch.contracts.features import Stamp
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import BEST_SELLERS_KEPT, SEMANTIC_TTL_S
from conch.features.packing import NO_PACKED, TTL_S, Packer
from conch.features.promo_book import promo_fields
from conch.stores import promos
from conch.stores.batches import batches
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash, HotFeatures, SortedSet, Value, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.relations import Relations
from conch.stores.rollups import Rollups
from conch.stores.snapshot import Snapshot

AT_ONCE = 200
"""Keys of a pipeline."""


class Refilling:
    """Of one catalogue. Raises Unavailable."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        durable: Relations,
        rollups: Callable[[], Rollups],
        now_ms: Callable[[], int],
    ) -> None:
        self._folder, self._hot, self._durable, self._rollups = folder, hot, durable, rollups
        self._now_ms = now_ms

    def refill(self, packer: Packer, progress: Callable[[int], None]) -> None:
        """`progress` is told how many keys are written by now."""
        snapshot, done = Snapshot.open(self._folder.snapshot), 0
        active = texts_of(packer.ids.uuids(Kind.MASTERS, snapshot.columns.relation_masters))
        for writes in batches(self._all(packer, active), AT_ONCE):
            self._hot.write(writes)
            progress(done := done + len(writes))
        key = self._folder.keys.active_masters
        if active and self._lost([key]):
            since = float(snapshot.about.written_ms)
            self._hot.write([Write(key, NO_PACKED, SortedSet(dict.fromkeys(active, since)))])

    def _all(self, packer: Packer, active: Sequence[str]) -> Iterator[Write]:
        keys = self._folder.keys
        for names in batches(active, AT_ONCE):
            related = self._lost([keys.semantic(name) for name in names])
            for key, blob in zip(related, self._durable.read(related), strict=True):
                if blob is not None:
                    yield Write(key, blob, None, SEMANTIC_TTL_S)
            for key in self._lost([keys.offers(name) for name in names]):
                offers = self._durable.offers(UUID(self._entity(key)))
                if offers is not None:
                    metadata = {str(pid): text for pid, text in offers.metadata.items()}
                    yield self._write(packer, key, Hash(metadata))
        lost = self._lost([keys.best_sellers(name) for name in categories(packer.ids)])
        for key, sold in self._sold(lost):
            yield self._write(packer, key, SortedSet(sold))
        yield from self._promos(packer)

    def _promos(self, packer: Packer) -> Iterator[Write]:
        """What is out of stock is not sold for having been so before the flush."""
        book, written_ms = promos.published(self._folder.promos)
        names = texts_of(packer.ids.uuids(Kind.PIDS, book.pids))
        places = {self._folder.keys.promo(name): place for place, name in enumerate(names)}
        for key in self._lost(list(places)):
            if fields := promo_fields(book, places[key]):
                yield self._write(packer, key, Hash(fields), Stamp(0, written_ms, 0))

    def _sold(self, keys: Sequence[str]) -> Iterator[tuple[str, Mapping[str, float]]]:
        # Where nothing is published, nothing is known.
        with contextlib.suppress(Unavailable), contextlib.closing(self._rollups()) as rollups:
            for key in keys:
                best = dict(rollups.best_sellers(self._entity(key), self._now_ms(), BEST_SELLERS_KEPT))
                if best:
                    yield key, best

    def _lost(self, keys: Sequence[str]) -> Sequence[str]:
        return [
            key
            for some in batches(keys, AT_ONCE)
            for key, stands in zip(some, self._hot.exist(some), strict=True)
            if not stands
        ]

    def _entity(self, key: str) -> str:
        _, entity = self._folder.keys.parsed(key) or ("", "")
        return entity

    def _write(self, packer: Packer, key: str, value: Value, stamp: Stamp | None = None) -> Write:
        packed = packer.packed(key, value, stamp or Stamp(0, self._now_ms(), 0))
        return Write(key, packed, value, TTL_S.get(packer.family(key)))


def categories(ids: IdIndex) -> Iterator[str]:
    for number in range(ids.size(Kind.CATEGORIES)):
        yield ids.text(Kind.CATEGORIES, number)
