"""What a recommendation model has of a catalogue: its ids, its snapshot and the reader of its stores."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE, CatalogueKeys
from conch.contracts.provenance import NO_REASON
from conch.recommendation.merging import U4
from conch.recommendation.ranking import Offers, fixed
from conch.stores import generations
from conch.stores.features import HotFeatures
from conch.stores.ids import IdIndex, Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.memory_relations import MemoryRelations
from conch.stores.promos import PromoBook
from conch.stores.reading import DurableBlobs, FeatureReader
from conch.stores.redis_features import RedisFeatures
from conch.stores.relations import Relations
from conch.stores.snapshot import Columns, Snapshot
from conch.stores.snapshot_catalogue import SnapshotCatalogue
from conch.stores.sqlite_relations import SqliteRelations

IDS, SNAPSHOT, PROMOS, RELATIONS = "ids", "snapshot", "promos", "catalogue.sqlite"
"""In a catalogue's folder."""

LOOK_S = 0.5
"""How often a model looks whether a generation was published."""

OLD_S = 600.0
"""A snapshot that is older is told of."""


_NONE = np.zeros(0, np.uint32)


class Shop:
    def __init__(self, name: str, folder: Path | None, hot: HotFeatures, durable: DurableBlobs) -> None:
        """Without a folder it has nothing."""
        self.name = name
        self.keys = CatalogueKeys(name)
        self.reader = FeatureReader(self.keys, hot, durable)
        self.promos = PromoBook(folder / PROMOS if folder else None, self.keys, hot)
        self._folder = folder
        self._looked = time.monotonic()
        self._open()

    def refresh(self) -> None:
        """Takes up what was published since; called before each batch."""
        now = time.monotonic()
        if self._folder is None or now - self._looked < LOOK_S:
            return
        self._looked = now
        self.promos.refresh()
        ids, snapshot = (generations.current(self._folder / name) for name in (IDS, SNAPSHOT))
        if (ids, snapshot) != (self.ids.generation, self.snapshot.generation):
            self._open()

    def degraded(self) -> set[str]:
        if self.snapshot.generation == 0:
            return {"catalogue: none is imported"}
        if self.snapshot.age_s > OLD_S:
            return {f"snapshot: {self.snapshot.age_s:.0f} s old, at most {OLD_S:.0f}"}
        return set()

    def master_of(self, key: str) -> int:
        """Of a pid or a master; NO_REASON for what is neither, or nothing."""
        if not key:
            return NO_REASON
        uuid = uuids_of(self.name, [key])
        pids = self.masters_of(self.ids.look_up(Kind.PIDS, uuid))
        return int(pids[0]) if pids[0] != NO_REASON else int(self.ids.look_up(Kind.MASTERS, uuid)[0])

    def category_of(self, key: str) -> int:
        return int(self.ids.look_up(Kind.CATEGORIES, uuids_of(self.name, [key]))[0]) if key else NO_REASON

    def masters_of(self, pids: U4) -> U4:
        masters = np.full(len(pids), NO_REASON, np.uint32)
        known = pids < self.snapshot.pids
        masters[known] = self.snapshot.plain.pid_master[pids[known]]
        return masters

    def offers_of(self, masters: U4) -> U4:
        """The pids of all of them, one after the other."""
        columns = self.snapshot.plain
        known = masters[masters < self.snapshot.masters]
        starts, ends = columns.offer_starts[known], columns.offer_starts[known + 1]
        return np.concatenate(
            [columns.offer_pids[start:end] for start, end in zip(starts, ends, strict=True)] or [_NONE]
        )

    def close(self) -> None:
        self.reader.close()

    def _open(self) -> None:
        self.ids = IdIndex.open(self._folder / IDS) if self._folder else IdIndex.empty()
        self.snapshot = Snapshot.open(self._folder / SNAPSHOT) if self._folder else Snapshot.empty()
        self.catalogue = SnapshotCatalogue(self.snapshot)
        self.offers = _offers(self.snapshot.plain)


def _offers(columns: Columns) -> Offers:
    return Offers(
        starts=fixed(columns.offer_starts),
        pids=fixed(columns.offer_pids),
        prices=fixed(columns.pid_price),
        sellers=fixed(columns.pid_seller),
        ratings=fixed(columns.pid_rating),
        stock=fixed(columns.pid_stock),
        brands=fixed(columns.master_brand),
        categories=fixed(columns.master_category),
    )


class _Late:
    """Relations that are opened when they are first read: a store that is away at the start is a store that is away."""

    def __init__(self, opens: Callable[[], Relations]) -> None:
        self._opens = opens
        self._relations: Relations | None = None

    def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        if self._relations is None:
            self._relations = self._opens()
        return self._relations.read(keys)

    def close(self) -> None:
        if self._relations is not None:
            self._relations.close()


class Shops:
    """By catalogue, opened when it is first asked for."""

    def __init__(self, folder: Path | None, redis: str, durable: Callable[[Path], Relations] = SqliteRelations) -> None:
        """`redis` is host:port; empty where there is none. `durable` opens relations, whose file is named."""
        self._folder = folder
        self._redis = redis
        self._durable = durable
        self._shops: dict[str, Shop] = {}

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        folder = environment.get(CATALOGUES_VARIABLE, "")
        return cls(Path(folder) if folder else None, environment.get(ADDRESS_VARIABLE, ""))

    def of(self, catalogue: str) -> Shop:
        """An empty one, which is not kept, where nothing was imported: whoever is a tenant may ask."""
        if catalogue in self._shops:
            return self._shops[catalogue]
        folder = self._folder / catalogue if self._folder is not None else None
        if folder is None or generations.current(folder / IDS) == 0:
            return Shop(catalogue, None, MemoryFeatures(), MemoryRelations())
        hot = RedisFeatures(self._redis) if self._redis else MemoryFeatures()
        self._shops[catalogue] = Shop(catalogue, folder, hot, _Late(partial(self._durable, folder / RELATIONS)))
        return self._shops[catalogue]

    def close(self) -> None:
        for shop in self._shops.values():
            shop.close()
