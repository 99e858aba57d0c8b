"""What the gateway itself knows of a catalogue: its ids, its snapshot and the stores that hold relations.

The models read the same files; the gateway makes words of their numbers, and answers what needs no model.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import CatalogueKeys
from conch.contracts.provenance import NO_REASON
from conch.features.plain import features_of
from conch.stores import generations
from conch.stores.attempts import Attempts, Damaged
from conch.stores.breaker import Breaker
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.category_names import CategoryNames
from conch.stores.durable import relations_of
from conch.stores.features import HotFeatures
from conch.stores.ids import Dense, IdIndex, Kind
from conch.stores.memory_relations import MemoryRelations
from conch.stores.reading import FeatureReader
from conch.stores.redis_features import RedisFeatures
from conch.stores.relations import Relations
from conch.stores.rollups import Rollups
from conch.stores.snapshot import Snapshot
from conch.stores.snapshot_catalogue import SnapshotCatalogue
from conch.stores.titles import Titles
from gateway.recommending.sold import Sold

LOOK_S = 0.5
"""How often one looks whether a generation was published."""

HOT_DEADLINE_S = 0.05
"""To connect, and for each answer: best sellers have 100 ms for everything."""

THREADS = 8
"""In which stores are asked; what waits for one waits within its call's deadline."""

NOT_IMPORTED = "catalogue: none is imported"

T = TypeVar("T")


@dataclass(frozen=True)
class Stock:
    """Of one catalogue, across its generations."""

    hot: HotFeatures | None
    """None: there is no Redis."""
    breaker: Breaker
    durable: Relations
    titles: Titles | None
    categories: CategoryNames
    sold: Sold | None
    """None: nothing was imported."""
    reader: FeatureReader
    reading: threading.Lock
    """The reader's: it is used by one thread."""


@dataclass(frozen=True)
class Shelf:
    """One catalogue as of one generation of its ids and its snapshot."""

    name: str
    ids: IdIndex
    snapshot: Snapshot
    catalogue: SnapshotCatalogue
    stock: Stock

    @property
    def keys(self) -> CatalogueKeys:
        return CatalogueKeys(self.name)

    @property
    def degraded(self) -> tuple[str, ...]:
        return () if self.snapshot.generation else (NOT_IMPORTED,)

    def master_of(self, key: str) -> int:
        """Of a pid or a master; NO_REASON for what is neither."""
        uuid = uuids_of(self.name, [key])
        pid = int(self.ids.look_up(Kind.PIDS, uuid)[0])
        owner = int(self.snapshot.columns.pid_master[pid]) if pid < self.snapshot.pids else NO_REASON
        return owner if owner != NO_REASON else int(self.ids.look_up(Kind.MASTERS, uuid)[0])

    def category_of(self, key: str) -> int:
        """As somebody calls it; NO_REASON for what is none."""
        return self.stock.categories.number_of(key, self.ids)

    def categories_of(self, master: int) -> Sequence[int]:
        """Its leaf category, and those above."""
        leaf = self.catalogue.category_of(master)
        return [leaf, *self.catalogue.ancestors(leaf)] if leaf != NO_REASON else []

    def texts(self, kind: Kind, ids: Dense) -> list[str]:
        """UUIDs of masters or pids."""
        return texts_of(self.ids.uuids(kind, ids))


class Shelves:
    """By catalogue: opened when it is first asked for, and again when something was published."""

    def __init__(self, folder: Path | None, hot: HotFeatures | None) -> None:
        self._folder = folder
        self._hot = hot
        self._breaker = Breaker("Redis")
        self._lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}
        self._attempts: dict[str, Attempts] = {}
        self._looked: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(THREADS, "stores")

    @classmethod
    def at(cls, folder: str, redis: str) -> "Shelves":
        """`redis` is host:port. Empty: there is none."""
        hot = RedisFeatures(redis, deadline_s=HOT_DEADLINE_S) if redis else None
        return cls(Path(folder) if folder else None, hot)

    async def of(self, catalogue: str) -> Shelf:
        """An empty one, which is not kept, where nothing was imported: whoever is a tenant may ask. What was published
        and cannot be read leaves what stands. Raises Damaged where nothing does."""
        if time.monotonic() - self._looked.get(catalogue, -LOOK_S) < LOOK_S:
            return self._shelves[catalogue]
        return await self.aside(lambda: self._current(catalogue))

    async def aside(self, work: Callable[[], T]) -> T:
        """In a thread of the stores'."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for shelf in self._shelves.values():
            shelf.stock.durable.close()
            if shelf.stock.sold is not None:
                shelf.stock.sold.close()
        if self._hot is not None:
            self._hot.close()

    def _current(self, catalogue: str) -> Shelf:
        with self._lock:
            try:
                files = CatalogueFolder.of(self._folder, catalogue) if self._folder is not None else None
            except InvalidRequest:
                files = None  # a tenant that can own no catalogue
            if files is None or not generations.has_any(files.ids):
                return self._empty(catalogue)
            attempts = self._attempts.setdefault(catalogue, Attempts(catalogue, LOOK_S))
            try:
                self._shelves[catalogue] = attempts.run(lambda: self._opened(catalogue, files))
            except Damaged:
                if catalogue not in self._shelves:
                    raise
            self._looked[catalogue] = time.monotonic()
            return self._shelves[catalogue]

    def _opened(self, catalogue: str, files: CatalogueFolder) -> Shelf:
        """The one that stands where nothing was published since."""
        standing = self._shelves.get(catalogue)
        now = (generations.current(files.ids), generations.current(files.snapshot))
        if standing is not None and now == (standing.ids.generation, standing.snapshot.generation):
            return standing
        ids, snapshot = IdIndex.open(files.ids), Snapshot.open(files.snapshot)
        stock = standing.stock if standing is not None else self._stock(catalogue, files)
        return Shelf(catalogue, ids, snapshot, SnapshotCatalogue(snapshot), stock)

    def _stock(self, catalogue: str, files: CatalogueFolder) -> Stock:
        hot = features_of(files, self._hot) if self._hot is not None else None
        durable = _durable(files)
        reader = FeatureReader(CatalogueKeys(catalogue), hot, durable)
        sold = Sold(partial(_rollups, files))
        titles, names = Titles(files.relations), CategoryNames(catalogue, files.relations)
        return Stock(hot, self._breaker, durable, titles, names, sold, reader, threading.Lock())

    def _empty(self, catalogue: str) -> Shelf:
        nothing = Snapshot.empty()
        keys = CatalogueKeys(catalogue) if catalogue else CatalogueKeys()
        durable = MemoryRelations()
        reader = FeatureReader(keys, None, durable)
        names = CategoryNames(keys.catalogue, None)
        stock = Stock(self._hot, self._breaker, durable, None, names, None, reader, threading.Lock())
        return Shelf(catalogue, IdIndex.empty(), nothing, SnapshotCatalogue(nothing), stock)


def number(ids: Sequence[int]) -> Dense:
    return np.array(ids, np.uint32)


def _durable(files: CatalogueFolder) -> Relations:
    try:
        return relations_of(files)
    except Unavailable:
        # Nothing is known there, as where the importer has not written yet.
        return MemoryRelations()


def _rollups(files: CatalogueFolder) -> Rollups:
    # Imported here: a gateway without DuckDB has the snapshot.
    try:
        from conch.stores.published_rollups import PublishedRollups
    except ImportError:
        raise Unavailable("duckdb is not installed here: pip install 'conch[gateway]'") from None
    return PublishedRollups(files.published_rollups)
