"""A made-up catalogue on disk and in a real Redis."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conch.catalogue.generating import BULK_DEADLINE_S, generated
from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE
from conch.recommendation.ranking import Promos, marks
from conch.stores import promos
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import IdIndex, Kind
from conch.stores.promos import promo_row
from conch.stores.redis_features import RedisFeatures
from tests.redis_server import RedisServer, running_redis

MASTERS = 2_500
SEED = 7


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
        publish_promos(catalogue, redis.address)
        yield ShopStack(folder / "catalogues", catalogue, redis)


def publish_promos(catalogue: CatalogueFolder, redis: str) -> int:
    """All promos of the store as a generation of the host."""
    began_ms = time.time_ns() // 1_000_000
    ids = IdIndex.open(catalogue.ids)
    with closing(RedisFeatures(redis, deadline_s=BULK_DEADLINE_S)) as hot:
        keys = sorted(hot.scan(f"{catalogue.keys.promo('x')[:-1]}*"))
        names = [key.removeprefix(catalogue.keys.promo("x")[:-1]) for key in keys]
        rows = [promo_row(blob) for blob in hot.read(keys) if blob is not None]
    pids = ids.look_up(Kind.PIDS, uuids_of(catalogue.name, names))
    order = np.argsort(pids)
    columns = {name: np.array([row[name] for row in rows])[order] for name in ("boosts", "bids", "expiries", "flags")}
    return promos.publish(catalogue.promos, Promos(pids=pids[order], marked=marks(pids), **columns), began_ms)
