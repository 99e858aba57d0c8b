"""A catalogue of six offers in memory, with what shoppers did to it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conch.catalogue.columns import Columns
from conch.catalogue.importing import bring_in
from conch.contracts.features import Family, Stamp, unpack
from conch.contracts.identifiers import uuid_of, uuids_of
from conch.contracts.keys import CatalogueKeys
from conch.features.keeping import Keeper
from conch.features.rebuilding import Rebuilding
from conch.features.reconciling import Reconciler
from conch.features.snapshots import SnapshotWriter
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.ids import IdIndex, Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.published_rollups import PublishedRollups
from conch.stores.relations import PackedRow, SemanticRelations
from conch.stores.rollups import Sale
from conch.stores.sqlite_relations import SqliteRelations

NOW = 1_800_000_000_000
MADE = datetime(2026, 5, 1, tzinfo=UTC)

PRODUCTS = """pid,master,category,parent_category,price,rating,stock,seller
a,m1,lamps,home,10,4,1,s1
b,m1,lamps,home,9,3,1,s2
c,m2,lamps,home,5,5,1,s1
d,m3,rugs,home,7,2,1,s1
e,m3,rugs,home,8,1,0,s2
f,m4,books,,3,4,1,s1
"""


def name(key: str) -> str:
    """Of a master or a pid, as Redis knows it."""
    return str(uuid_of("default", key))


@dataclass
class Clock:
    s: float = 0.0
    ms: int = NOW

    def __call__(self) -> float:
        return self.s

    def now_ms(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.s += seconds
        self.ms += int(seconds * 1000)


@dataclass
class Store:
    folder: CatalogueFolder
    hot: MemoryFeatures
    durable: SqliteRelations
    clock: Clock = field(default_factory=Clock)

    @property
    def keys(self) -> CatalogueKeys:
        return self.folder.keys

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(self.folder, self.hot, self.clock.now_ms)

    @property
    def rebuilding(self) -> Rebuilding:
        return Rebuilding(self.folder, self.hot, self.durable, self.rollups, now_ms=self.clock.now_ms)

    @property
    def snapshots(self) -> SnapshotWriter:
        return SnapshotWriter(self.folder, self.hot, self.durable, self.rollups, self.clock.now_ms)

    def keeper(self) -> Keeper:
        return Keeper(self.folder, self.hot, self.durable, self.rollups, clock=self.clock, now_ms=self.clock.now_ms)

    def rollups(self) -> PublishedRollups:
        return PublishedRollups(self.folder.published_rollups)

    def sell(self, pane_ms: int, *sales: Sale) -> None:
        """As whoever writes the rollups does."""
        with closing(DuckDbRollups(self.folder.rollups, self.folder.published_rollups)) as rollups:
            rollups.replace(pane_ms, sales)

    def number(self, kind: Kind, key: str) -> int:
        return int(IdIndex.open(self.folder.ids).look_up(kind, uuids_of("default", [key]))[0])

    def packed(self, key: str, family: Family) -> dict[str, list[float]] | None:
        (blob,) = self.hot.read([key])
        return (
            None if blob is None else {name: column.tolist() for name, column in unpack(blob, family).columns.items()}
        )

    def stamp(self, key: str, family: Family) -> Stamp:
        (blob,) = self.hot.read([key])
        assert blob is not None
        return unpack(blob, family).stamp

    def relate(self, master: str, *others: str) -> None:
        """Into the durable table alone, as a batch of another host does."""
        related = {uuid_of("default", other): 0.5 for other in others}
        relations = SemanticRelations(related, MADE, "embedding:1")
        self.durable.put_semantic(
            uuid_of("default", master), relations, PackedRow(self.keys.semantic(name(master)), b"")
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    folder, hot = CatalogueFolder.of(tmp_path / "catalogues", "default"), MemoryFeatures()
    (tmp_path / "products.csv").write_text(PRODUCTS)
    bring_in(folder, hot, [tmp_path / "products.csv"], Columns.read(), now_ms=NOW)
    with closing(SqliteRelations(folder.relations)) as durable:
        yield Store(folder, hot, durable)
