"""A made-up catalogue on disk and in a real Redis, made once for the whole run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def shop_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopStack]:
    """Do not change what it holds: everybody reads it."""
    folder = tmp_path_factory.mktemp("shop")
    with running_redis(folder) as redis:
        yield ShopStack(folder / "catalogues", generated(folder / "catalogues", redis.address, MASTERS, SEED), redis)
