"""A made-up catalogue on disk and in a real Redis."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from conch.catalogue.generating import generated
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE
from conch.stores.catalogue_folder import CatalogueFolder
from tests.redis_server import RedisServer, running_redis

MASTERS = 1_000
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
        yield ShopStack(folder / "catalogues", generated(folder / "catalogues", redis.address, masters, seed), redis)
