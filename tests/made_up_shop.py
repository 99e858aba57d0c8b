"""A made-up catalogue on disk and in a real Redis."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conch.catalogue.generating import BULK_DEADLINE_S, generated
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE
from conch.features.keeping import Keeper
from conch.features.promo_book import PromoBookWriter
from conch.features.snapshots import SnapshotWriter
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.published_rollups import PublishedRollups
from conch.stores.redis_features import RedisFeatures
from conch.stores.sqlite_relations import SqliteRelations
from tests.redis_server import RedisServer, running_redis

MASTERS = 2_500
SEED = 7

YOUNG_S = 120.0


@dataclass(frozen=True, slots=True)
class ShopStack:
    catalogues: Path
    """Folder of all catalogues, as models are told it."""
    catalogue: CatalogueFolder
    """The default one."""
    redis: RedisServer

    @property
    def environment(self) -> Mapping[str, str]:
        """Of a Triton, or of Shops.of_environment."""
        return {CATALOGUES_VARIABLE: str(self.catalogues), ADDRESS_VARIABLE: self.redis.address}


@contextlib.contextmanager
def made_up_shop(folder: Path, masters: int = MASTERS, seed: int = SEED) -> Iterator[ShopStack]:
    with running_redis(folder) as redis:
        catalogue = generated(folder / "catalogues", redis.address, masters, seed)
        yield ShopStack(folder / "catalogues", catalogue, redis)


@contextlib.contextmanager
def kept_young(stack: ShopStack) -> Iterator[None]:
    """As the service `features` does it: a run of all tests takes longer than a snapshot may be old."""
    stop = threading.Event()

    def keep() -> None:
        with (
            closing(RedisFeatures(stack.redis.address, deadline_s=BULK_DEADLINE_S)) as hot,
            closing(SqliteRelations(stack.catalogue.relations)) as durable,
        ):
            snapshots = SnapshotWriter(
                stack.catalogue, hot, durable, partial(PublishedRollups, stack.catalogue.published_rollups)
            )
            while not stop.wait(YOUNG_S):
                with stack.catalogue.lease():
                    snapshots.write()

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def filled_again(stack: ShopStack) -> None:
    """What the service `features` does where Redis is empty."""
    with (
        closing(RedisFeatures(stack.redis.address, deadline_s=BULK_DEADLINE_S)) as hot,
        closing(SqliteRelations(stack.catalogue.relations)) as durable,
    ):
        Keeper(stack.catalogue, hot, durable, partial(PublishedRollups, stack.catalogue.published_rollups)).step()


def publish_promos(catalogue: CatalogueFolder, redis: str) -> int:
    """All promos of the store as a generation of the host."""
    with closing(RedisFeatures(redis, deadline_s=BULK_DEADLINE_S)) as hot:
        return PromoBookWriter(catalogue, hot).write()
