"""BestSellers: Redis first, the sales rollups while it is away, and the last snapshot while both are."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest, NotFound, PermissionDenied
from conch.contracts.features import Family, unpack
from conch.contracts.keys import CatalogueKeys, packed
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from conch.stores.rollups import Sale
from gateway.recommending.best_sellers import FROM_ROLLUPS, FROM_SNAPSHOT, SellingBest
from gateway.recommending.shelf import NOT_IMPORTED
from tests.gateway.recommending.conftest import CALL, Make, Shopping, call_of


def selling(shopping: Shopping) -> str:
    """The category with the most best sellers."""
    return shopping.category(int(np.diff(shopping.snapshot.columns.best_starts).argmax()))


async def test_they_are_those_of_redis(shopping: Shopping) -> None:
    category = selling(shopping)
    hot = RedisFeatures(shopping.stack.redis.address, deadline_s=30)
    (blob,) = hot.read([CatalogueKeys().best_sellers(category)])
    hot.close()
    assert blob is not None
    packed = unpack(blob, Family.BEST_SELLERS).columns
    answer = await shopping.use_cases.selling_best.best_sellers(category, 3, CALL)
    assert answer.degraded == ()
    assert [(one.pid, one.score) for one in answer.items] == [
        (shopping.uuid(Kind.PIDS, int(pid)), float(score))
        for pid, score in list(zip(packed["ids"], packed["scores"], strict=True))[:3]
    ]


def patient(shopping: Shopping) -> SellingBest:
    """With time for a machine that is busy: what it is told depends on what is there alone."""
    return SellingBest(shopping.shelves, stores_s=30.0)


@contextmanager
def sold_lately(shopping: Shopping, category: str) -> Iterator[list[str]]:
    """Other pids than the snapshot's, the best first, in the rollups."""
    pids = [shopping.uuid(Kind.PIDS, pid) for pid in (5, 3, 4)]
    now_ms = time.time_ns() // 1_000_000
    sales = [Sale(category, pid, 1_000_000 - place) for place, pid in enumerate(pids)]
    with closing(DuckDbRollups(shopping.stack.catalogue.rollups)) as rollups:
        rollups.replace(now_ms, sales)
    yield pids
    with closing(DuckDbRollups(shopping.stack.catalogue.rollups)) as rollups:
        rollups.replace(now_ms, [])


@contextmanager
def written_elsewhere(shopping: Shopping) -> Iterator[None]:
    """A process of its own has the rollups open."""
    file = str(shopping.stack.catalogue.rollups)
    writing = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", writing, file], **pipes) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        yield
        writer.stdin.close()


@pytest.mark.parametrize("redis", ["127.0.0.1:1", ""])
async def test_without_redis_they_are_those_of_the_rollups(shopping_at: Make, redis: str) -> None:
    shopping = shopping_at(redis=redis)
    category = selling(shopping)
    with sold_lately(shopping, category) as pids:
        answer = await patient(shopping).best_sellers(category, 3, CALL)
    assert [one.pid for one in answer.items] == pids
    assert answer.degraded == ((FROM_ROLLUPS,) if redis else ())


async def test_what_redis_does_not_have_the_rollups_say(shopping: Shopping) -> None:
    category = selling(shopping)
    key = packed(CatalogueKeys().best_sellers(category))
    with sold_lately(shopping, category) as pids, shopping.stack.redis.client() as redis:
        redis.rename(key, f"{key}:aside")
        try:
            answer = await patient(shopping).best_sellers(category, 3, CALL)
        finally:
            redis.rename(f"{key}:aside", key)
    assert ([one.pid for one in answer.items], answer.degraded) == (pids, ())


@pytest.mark.parametrize("redis", ["127.0.0.1:1", ""])
async def test_while_another_process_writes_the_rollups_they_are_the_snapshots(shopping_at: Make, redis: str) -> None:
    shopping = shopping_at(redis=redis)
    category = selling(shopping)
    expected = await shopping_at().use_cases.selling_best.best_sellers(category, 10, CALL)
    with written_elsewhere(shopping):
        answer = await patient(shopping).best_sellers(category, 10, CALL)
    assert [one.pid for one in answer.items] == [one.pid for one in expected.items]
    assert answer.degraded == ((FROM_SNAPSHOT,) if redis else ())


async def test_rollups_that_take_too_long_are_not_waited_for_and_remembered(shopping_at: Make) -> None:
    shopping = shopping_at(redis="127.0.0.1:1")
    category = selling(shopping)
    at_once = SellingBest(shopping.shelves, stores_s=0.0)
    with sold_lately(shopping, category) as pids:
        answer = await at_once.best_sellers(category, 3, CALL)
        assert answer.degraded == (FROM_SNAPSHOT,)
        assert [one.pid for one in answer.items] != pids
        await patient(shopping).best_sellers(category, 3, CALL)
        answer = await at_once.best_sellers(category, 3, CALL)
    assert [one.pid for one in answer.items] == pids


async def test_of_everything_they_are_the_snapshots(shopping: Shopping) -> None:
    answer = await shopping.use_cases.selling_best.best_sellers("", 0, CALL)
    popular = shopping.snapshot.columns.popular_pids[:10].tolist()
    assert [one.pid for one in answer.items] == [shopping.uuid(Kind.PIDS, pid) for pid in popular]
    masters = shopping.snapshot.columns.pid_master[popular].tolist()
    assert [one.master for one in answer.items] == [shopping.uuid(Kind.MASTERS, master) for master in masters]


async def test_bad_questions_are_refused(shopping: Shopping) -> None:
    best = shopping.use_cases.selling_best
    with pytest.raises(NotFound, match="'attic' is none of the catalogue's"):
        await best.best_sellers("attic", 5, CALL)
    with pytest.raises(InvalidRequest, match="from 1 to 50"):
        await best.best_sellers("", 51, CALL)
    with pytest.raises(PermissionDenied):
        await best.best_sellers("", 5, call_of(models=frozenset()))


async def test_a_tenant_without_a_catalogue_has_none_and_is_told_so(shopping: Shopping) -> None:
    answer = await shopping.use_cases.selling_best.best_sellers("", 5, call_of("another"))
    assert (answer.items, answer.degraded) == ((), (NOT_IMPORTED,))
