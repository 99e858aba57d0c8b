"""What a recommendation model has of a catalogue: its ids, its snapshot and the reader of its stores."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from conch.contracts import metrics
from conch.contracts.errors import Unavailable
from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE, CatalogueKeys
from conch.contracts.metrics import Metric
from conch.contracts.provenance import NO_REASON
from conch.features.plain import features_of
from conch.models.base import Count
from conch.recommendation.merging import U4
from conch.recommendation.ranking import Market, Offers, fixed
from conch.stores import generations
from conch.stores.attempts import Attempts, Damaged
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.category_names import CategoryNames
from conch.stores.changes import Changes, Heard
from conch.stores.features import HotFeatures
from conch.stores.ids import IdIndex, Kind
from conch.stores.late_relations import LateRelations
from conch.stores.memory_features import MemoryFeatures
from conch.stores.memory_relations import MemoryRelations
from conch.stores.promos import PromoBook
from conch.stores.reading import FeatureReader
from conch.stores.redis_features import RedisFeatures
from conch.stores.relations import Relations
from conch.stores.snapshot import Columns, Snapshot
from conch.stores.tabled_catalogue import TabledCatalogue
from conch.stores.waves import DurableBlobs

LOOK_S = 0.5
"""How often a model looks whether a generation was published."""

HEAR_S = 0.1
"""How often a model reads the promos that changed."""

DURABLE_S = 0.1
"""For an answer of the durable store; to open it there is as much time as it takes."""

OLD_S = 600.0
"""A snapshot that is older is told of."""

NOT_READ = "catalogue: what was published last cannot be read, the generation before answers"

_NONE = np.zeros(0, np.uint32)


class Shop:
    def __init__(
        self,
        name: str,
        folder: CatalogueFolder | None,
        hot: HotFeatures | None,
        durable: DurableBlobs,
        changes: Changes | None = None,
    ) -> None:
        """Without a folder it has nothing; without changes it hears of none before it forgets by itself. `hot` None:
        there is no Redis, and nobody expects one. Raises Internal, and OSError, for files that cannot be read."""
        self.name = name
        self.keys = CatalogueKeys(name)
        self.reader = FeatureReader(self.keys, hot, durable, ids=self._ids_of)
        self.promos = PromoBook(folder.promos if folder else None, self.keys, hot or MemoryFeatures())
        self._categories = CategoryNames(name, folder.relations if folder else None)
        self.changes_lost = 0
        self._told: dict[int, int] = {}
        self._told_snapshot: Snapshot | None = None
        self._offers: Offers | None = None
        self._market: Market | None = None
        self._folder = folder
        self._changes = changes
        self._looked = self._heard = time.monotonic()
        self._of_promos, self._of_goods = Attempts(name, LOOK_S), Attempts(name, LOOK_S)
        self._show(IdIndex.empty(), Snapshot.empty())
        self._take_up()

    def refresh(self) -> None:
        """Takes up what was published since, called before each batch; what cannot be read leaves what stands."""
        now = time.monotonic()
        if self._folder is None or now - self._looked < LOOK_S:
            return
        self._looked = now
        with contextlib.suppress(Damaged):
            self._of_promos.run(self.promos.refresh)
        with contextlib.suppress(Damaged):
            self._of_goods.run(self._take_up)

    def forget_changed(self) -> None:
        """Relations that were packed anew, before each batch; and asks for those that nobody has."""
        heard = self._take()
        if heard.lost:
            self.reader.forget_all()
        parsed = [self.keys.parsed(key) for key in heard.messages]
        names = [entity for family, entity in filter(None, parsed) if family in {"master:sem", "master:co_view"}]
        if names:
            self.reader.forget(self.ids.look_up(Kind.MASTERS, uuids_of(self.name, names)).tolist())
        if self._changes is not None and (missing := self.reader.missing()):
            self._changes.say(self.keys.relations_wanted, missing)

    def take_up_promos(self) -> None:
        """Those that changed, before a batch and every HEAR_S at most: they are read anew. What was not heard of, or
        cannot be read, waits for the next generation."""
        now = time.monotonic()
        if now - self._heard < HEAR_S:
            return
        self._heard = now
        try:
            self.promos.changed(self._named(self._take().messages), self.ids)
        except Unavailable:
            self.changes_lost += 1

    def _take(self) -> Heard:
        heard = self._changes.take() if self._changes is not None else Heard(frozenset(), lost=False)
        self.changes_lost += heard.lost
        return heard

    def _named(self, pids: Iterable[str]) -> list[str]:
        """Without what no key can be made of: anybody may say anything on a channel."""
        return [pid for pid in pids if self.keys.parsed(f"{self.keys.promo('x')[:-1]}{pid}")]

    def tell(self, count: Count) -> None:
        """What was counted here since it was told last."""
        tally = self.reader.tally
        totals: Sequence[tuple[Metric, Mapping[str, str], int]] = (
            (metrics.MODEL_FEATURES, {"outcome": "hit"}, tally.hits),
            (metrics.MODEL_FEATURES, {"outcome": "miss"}, tally.misses),
            (metrics.MODEL_FEATURES, {"outcome": "unreadable"}, tally.unreadable + self.promos.unreadable),
            (metrics.MODEL_STALE_RELATIONS, {}, tally.stale),
            (metrics.MODEL_UNKNOWN_IDS, {}, tally.unknown),
            (metrics.MODEL_CHANGES_LOST, {}, self.changes_lost),
        )
        for place, (metric, labels, total) in enumerate(totals):
            if grown := total - self._told.get(place, 0):
                count(metric, grown, **labels)
                self._told[place] = total
        if self._told_snapshot is not self.snapshot:
            self._told_snapshot = self.snapshot
            count(metrics.MODEL_SNAPSHOT_WRITTEN, self.snapshot.about.written_ms / 1000, tenant=self.name)

    def degraded(self) -> set[str]:
        damaged = {NOT_READ} if self._of_goods.why or self._of_promos.why else set()
        if self.snapshot.generation == 0:
            return damaged | {"catalogue: none is imported"}
        if self.snapshot.age_s > OLD_S:
            return damaged | {f"snapshot: {self.snapshot.age_s:.0f} s old, at most {OLD_S:.0f}"}
        return damaged

    def master_of(self, key: str) -> int:
        """Of a pid or a master; NO_REASON for what is neither, or nothing."""
        if not key:
            return NO_REASON
        uuid = uuids_of(self.name, [key])
        pids = self.masters_of(self.ids.look_up(Kind.PIDS, uuid))
        return int(pids[0]) if pids[0] != NO_REASON else int(self.ids.look_up(Kind.MASTERS, uuid)[0])

    def category_of(self, key: str) -> int:
        """As somebody calls it; NO_REASON for what is none, or nothing."""
        return self._categories.number_of(key, self.ids) if key else NO_REASON

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

    @property
    def offers(self) -> Offers:
        """Made when they are first asked for: candidates need none."""
        if self._offers is None:
            self._offers = _offers(self.snapshot.plain)
        return self._offers

    def market(self) -> Market:
        """As promos stand by now."""
        promos = self.promos.current()
        if self._market is None or self._market.promos is not promos:
            self._market = Market(self.offers, promos)
        return self._market

    def close(self) -> None:
        if self._changes is not None:
            self._changes.close()
        self.reader.close()

    def _ids_of(self, generation: int) -> IdIndex:
        """The newest there are: a blob of a generation that is not mapped yet does not wait for the next look."""
        with contextlib.suppress(Damaged):
            self._of_goods.run(self._take_up)
        return self.ids

    def _take_up(self) -> None:
        """Whole, or not at all."""
        if self._folder is None:
            return
        ids, snapshot = (generations.current(folder) for folder in (self._folder.ids, self._folder.snapshot))
        if (ids, snapshot) != (self.ids.generation, self.snapshot.generation):
            self._show(IdIndex.open(self._folder.ids), Snapshot.open(self._folder.snapshot))

    def _show(self, ids: IdIndex, snapshot: Snapshot) -> None:
        self.ids, self.snapshot = ids, snapshot
        self.catalogue = TabledCatalogue(self.snapshot)
        self._offers = self._market = None


def _offers(columns: Columns) -> Offers:
    return Offers(
        starts=fixed(columns.offer_starts),
        pids=fixed(columns.offer_pids),
        prices=fixed(columns.pid_price),
        sellers=fixed(columns.pid_seller),
        ratings=fixed(columns.pid_rating),
        stock=fixed(columns.pid_stock),
        owners=fixed(columns.pid_master),
        brands=fixed(columns.master_brand),
        categories=fixed(columns.master_category),
    )


def tell_degraded(count: Count, words: Iterable[str], answers: int) -> None:
    """A word of `degraded` begins with the store that was away."""
    for store in {word.partition(":")[0] for word in words}:
        count(metrics.MODEL_DEGRADED, answers, store=store)


Durable = Callable[[CatalogueFolder], Relations]


def _relations_of(folder: CatalogueFolder) -> Relations:
    # The driver of CQL takes half a second to import.
    from conch.stores.durable import relations_of

    return relations_of(folder, deadline_s=DURABLE_S)


class Shops:
    """By catalogue, opened when it is first asked for."""

    def __init__(
        self,
        folder: Path | None,
        redis: str,
        durable: Durable = _relations_of,
        hears: Callable[[CatalogueKeys], str] | None = None,
    ) -> None:
        """`redis` is host:port; empty where there is none. `hears` names the channel that models listen to."""
        self._folder = folder
        self._redis = redis
        self._durable = durable
        self._hears = hears
        self._shops: dict[str, Shop] = {}
        self._damaged: dict[str, Attempts] = {}

    @classmethod
    def of_environment(
        cls, environment: Mapping[str, str] = os.environ, hears: Callable[[CatalogueKeys], str] | None = None
    ) -> Self:
        folder = environment.get(CATALOGUES_VARIABLE, "")
        return cls(Path(folder) if folder else None, environment.get(ADDRESS_VARIABLE, ""), hears=hears)

    def open(self) -> None:
        """All that there are by now: their first requests need not wait for it. A damaged one waits for its mending."""
        for folder in CatalogueFolder.all(self._folder) if self._folder is not None else ():
            with contextlib.suppress(Damaged):
                self.of(folder.name)

    def of(self, catalogue: str) -> Shop:
        """An empty one, which is not kept, where nothing was imported: whoever is a tenant may ask. Raises Damaged."""
        if catalogue in self._shops:
            return self._shops[catalogue]
        folder = CatalogueFolder.of(self._folder, catalogue) if self._folder is not None else None
        attempts = self._damaged.get(catalogue) or Attempts(catalogue, LOOK_S)
        try:
            shop = attempts.run(partial(self._opened, folder)) if folder is not None else None
        except Damaged:
            self._damaged[catalogue] = attempts
            raise
        self._damaged.pop(catalogue, None)
        if shop is None:
            return Shop(catalogue, None, None, MemoryRelations())
        self._shops[catalogue] = shop
        return shop

    def opened(self) -> Sequence[Shop]:
        return list(self._shops.values())

    def close(self) -> None:
        for shop in self._shops.values():
            shop.close()

    def _opened(self, folder: CatalogueFolder) -> Shop | None:
        """None where nothing was imported."""
        if generations.current(folder.ids) == 0:
            return None
        hot = features_of(folder, RedisFeatures(self._redis)) if self._redis else None
        changes = None
        if self._redis and self._hears is not None:
            changes = Changes(self._hears(folder.keys), partial(RedisFeatures, self._redis))
        relations = LateRelations(partial(self._durable, folder))
        shop = Shop(folder.name, folder, hot, relations, changes)
        # Threads of a shop that could not be opened would be nobody's to end.
        if changes is not None:
            changes.start()
        relations.begin()
        return shop
