"""A made-up catalogue in a Redis of its own, for benchmarks of recommendation."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
from redis import Redis
from redis.exceptions import RedisError

from conch.catalogue.generating import generated
from conch.contracts.errors import Unavailable
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE
from conch.features.promo_book import PromoBookWriter
from conch.stack.leash import leashed
from conch.stack.services.redis import binary
from conch.stack.serving import free_ports
from conch.stack.triton import HOST
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.redis_features import RedisFeatures

READY_S = 20.0
BULK_S = 30.0


@dataclass(frozen=True, slots=True)
class Shop:
    catalogues: Path
    catalogue: CatalogueFolder
    redis: str
    process: psutil.Process
    """Redis."""
    users: int

    @property
    def environment(self) -> Mapping[str, str]:
        """Of models."""
        return {CATALOGUES_VARIABLE: str(self.catalogues), ADDRESS_VARIABLE: self.redis}


@contextlib.contextmanager
def made_up(folder: Path, masters: int, seed: int = 7) -> Iterator[Shop]:
    with redis_server(folder) as (address, process):
        catalogue = generated(folder / "catalogues", address, masters, seed)
        with contextlib.closing(RedisFeatures(address, deadline_s=BULK_S)) as hot:
            if generations.current(catalogue.promos) == 0:
                PromoBookWriter(catalogue, hot).write()
            users = sum(1 for _ in hot.scan(catalogue.keys.pattern("user:views")))
        yield Shop(folder / "catalogues", catalogue, address, process, users)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """It keeps nothing on disk."""
    [port] = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    command = leashed([str(binary()), "--port", str(port), "--bind", HOST, "--save", ""])
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield f"{HOST}:{port}", psutil.Process(process.pid)
        finally:
            process.kill()


def zipf(users: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of users: the first comes most."""
    weights = 1.0 / np.arange(1, users + 1)
    return np.random.default_rng(seed).choice(users, count, p=weights / weights.sum())


def machine() -> Mapping[str, object]:
    return {"cores": os.cpu_count(), "load": os.getloadavg()[0]}


def _await(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError), Redis(host=HOST, port=port) as redis:
            redis.ping()
            return
        time.sleep(0.02)
    raise Unavailable(f"Redis does not answer within {READY_S} s")
