"""A made-up shop in a real Redis, the real models in this process, and what the gateway makes of them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conch.clients.memory_events import MemoryEventLog
from conch.contracts.identifiers import texts_of
from conch.contracts.identity import Identity
from conch.stores.ids import IdIndex, Kind
from conch.stores.redis_features import RedisFeatures
from conch.stores.snapshot import Snapshot
from conch.stores.snapshot_catalogue import SnapshotCatalogue
from gateway.calls import Call
from gateway.recommending.recommendations import Recommendations
from gateway.recommending.shelf import Shelves, number
from tests.made_up_shop import ShopStack
from tests.recommend_twin import RecommendTwin

CALL = Call(Identity(), time.monotonic() + 3_600)


@dataclass(frozen=True)
class Shopping:
    stack: ShopStack
    twin: RecommendTwin
    shelves: Shelves
    events: MemoryEventLog
    use_cases: Recommendations
    ids: IdIndex
    snapshot: Snapshot

    def uuid(self, kind: Kind, dense: int) -> str:
        return texts_of(self.ids.uuids(kind, number([dense])))[0]

    def category(self, dense: int) -> str:
        return self.ids.text(Kind.CATEGORIES, dense)

    @property
    def catalogue(self) -> SnapshotCatalogue:
        return SnapshotCatalogue(self.snapshot)

    @property
    def viewers(self) -> list[str]:
        """Users that have viewed something."""
        hot = RedisFeatures(self.stack.redis.address, deadline_s=30)
        keys = sorted(hot.scan("user:views:*"))
        hot.close()
        return [key.removeprefix("user:views:") for key in keys]


Make = Callable[..., Shopping]


@pytest.fixture(scope="module")
def twin(shop_stack: ShopStack) -> Iterator[RecommendTwin]:
    twin = RecommendTwin(shop_stack.environment)
    yield twin
    twin.close()


@pytest.fixture
def shopping_at(shop_stack: ShopStack, twin: RecommendTwin) -> Iterator[Make]:
    """`shopping_at(redis=..., catalogues=...)`: one that finds them elsewhere, or nowhere."""
    opened: list[Shelves] = []

    def make(redis: str | None = None, catalogues: Path | None = shop_stack.catalogues) -> Shopping:
        address = shop_stack.redis.address if redis is None else redis
        hot = RedisFeatures(address, deadline_s=5 if redis is None else 0.05) if address else None
        shelves = Shelves(catalogues, hot)
        opened.append(shelves)
        events = MemoryEventLog()
        own = shop_stack.catalogue
        use_cases = Recommendations.of(twin.inference, shelves, "", events)
        ids, snapshot = IdIndex.open(own.ids), Snapshot.open(own.snapshot)
        return Shopping(shop_stack, twin, shelves, events, use_cases, ids, snapshot)

    yield make
    for shelves in opened:
        shelves.close()


@pytest.fixture
def shopping(shopping_at: Make) -> Shopping:
    return shopping_at()


def call_of(tenant: str = "default", models: frozenset[str] | None = None) -> Call:
    return Call(Identity(tenant=tenant, models=models), time.monotonic() + 3_600)
