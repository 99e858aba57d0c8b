"""The process itself, with a real Redis: it waits for a catalogue, packs what is touched, and ends when told."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conch.catalogue.generating import generate
from conch.catalogue.made import Order
from conch.contracts.features import Family, unpack
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import IdIndex, Kind
from conch.stores.redis_features import RedisFeatures
from tests.redis_server import RedisServer, running_redis

PATIENT_S = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
def hot(server: RedisServer) -> Iterator[RedisFeatures]:
    with closing(RedisFeatures(server.address, deadline_s=10)) as hot:
        yield hot


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENT_S} s: {what}"
        time.sleep(0.05)


def test_a_catalogue_that_comes_is_kept_what_is_touched_is_packed_and_a_flush_is_mended(tmp_path, server, hot):
    folder = CatalogueFolder.of(tmp_path / "catalogues", "acme")
    keys, heartbeat = folder.keys, tmp_path / "beats" / "heartbeat"
    command = [sys.executable, "-m", "conch.features", str(tmp_path / "catalogues"), server.address, str(heartbeat)]
    with subprocess.Popen(command) as process:
        try:
            until(heartbeat.exists, "a heartbeat without any catalogue")
            assert heartbeat.read_text() == f"{process.pid}\n"
            generate(folder, hot, Order(100, users=10, related=5))
            made = generations.current(folder.snapshot)
            until(lambda: generations.current(folder.snapshot) > made, "a snapshot of its own")
            category = IdIndex.open(folder.ids).text(Kind.CATEGORIES, 2)
            key = keys.co_view(category)
            with server.client() as redis:
                redis.delete(key)
                redis.zadd(key, {"apparel": 2.5})
            hot.publish(keys.features_changed, [key])
            until(lambda: co_viewed(hot, key) == [2.5], "what another program wrote, packed")
            with server.client() as redis:
                redis.flushall()
            until(lambda: hot.documented(keys.features_kept) is not None, "the flush is noticed")
            assert next(hot.scan(keys.pattern("cat:bestsellers")), None) is not None
            until(lambda: next(hot.scan(keys.pattern("master:sem")), None) is not None, "documented relations")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENT_S) == 0
        finally:
            process.kill()


def co_viewed(hot: RedisFeatures, key: str) -> list[float]:
    (blob,) = hot.read([key])
    found: list[float] = [] if blob is None else unpack(blob, Family.CO_VIEW).columns["scores"].tolist()
    return found
