"""BestSellers: Redis first, the sales rollups while it is away, and the last snapshot while both are."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest, NotFound, PermissionDenied
from conch.contracts.features import Family, unpack
from conch.contracts.keys import CatalogueKeys, packed
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.ids import NONE, Kind
from conch.stores.redis_features import RedisFeatures
from conch.stores.rollups import ALL, Sale
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
    sales = [Sale(one, pid, 1_000_000 - place) for one in (category, ALL) for place, pid in enumerate(pids)]
    files = shopping.stack.catalogue
    with closing(DuckDbRollups(files.rollups, files.published_rollups)) as rollups:
        rollups.replace(now_ms, sales)
        # Their writer has them open all the while.
        yield pids
        rollups.replace(now_ms, [])


@contextmanager
def unpublished(shopping: Shopping) -> Iterator[None]:
    published = shopping.stack.catalogue.published_rollups
    aside = published.with_name("aside")
    published.rename(aside)
    yield
    aside.rename(published)


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
async def test_without_redis_and_without_rollups_they_are_the_snapshots(shopping_at: Make, redis: str) -> None:
    shopping = shopping_at(redis=redis)
    category = selling(shopping)
    expected = await shopping_at().use_cases.selling_best.best_sellers(category, 10, CALL)
    with unpublished(shopping):
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


async def test_of_everything_they_are_the_best_of_all_roots_in_redis(shopping: Shopping) -> None:
    columns, keys = shopping.snapshot.columns, CatalogueKeys()
    roots = [shopping.category(int(root)) for root in np.flatnonzero(columns.category_parent == NONE)]
    with closing(RedisFeatures(shopping.stack.redis.address, deadline_s=30)) as hot:
        blobs = [blob for blob in hot.read([keys.best_sellers(root) for root in roots]) if blob is not None]
    lists = [unpack(blob, Family.BEST_SELLERS).columns for blob in blobs]
    sold = [pair for one in lists for pair in zip(one["ids"].tolist(), one["scores"].tolist(), strict=True)]
    expected = sorted(sold, key=lambda pair: (-pair[1], pair[0]))[:10]
    assert len(blobs) > 1
    with sold_lately(shopping, roots[0]):
        answer = await shopping.use_cases.selling_best.best_sellers("", 0, CALL)
    assert [(one.pid, one.score) for one in answer.items] == [
        (shopping.uuid(Kind.PIDS, pid), score) for pid, score in expected
    ]
    masters = columns.pid_master[[pid for pid, _ in expected]].tolist()
    assert [one.master for one in answer.items] == [shopping.uuid(Kind.MASTERS, master) for master in masters]
    assert answer.degraded == ()


async def test_of_everything_a_redis_that_is_being_filled_is_not_asked_alone(shopping: Shopping) -> None:
    kept = packed(CatalogueKeys().features_kept)
    with sold_lately(shopping, selling(shopping)) as pids, shopping.stack.redis.client() as redis:
        redis.rename(kept, f"{kept}:aside")
        try:
            answer = await patient(shopping).best_sellers("", 3, CALL)
        finally:
            redis.rename(f"{kept}:aside", kept)
    assert [one.pid for one in answer.items] == pids


@pytest.mark.parametrize("redis", ["127.0.0.1:1", ""])
async def test_of_everything_without_redis_they_are_the_rollups_and_then_the_snapshots(
    shopping_at: Make, redis: str
) -> None:
    shopping = shopping_at(redis=redis)
    with unpublished(shopping):
        answer = await patient(shopping).best_sellers("", 3, CALL)
    popular = shopping.snapshot.columns.popular_pids[:3].tolist()
    assert [one.pid for one in answer.items] == [shopping.uuid(Kind.PIDS, pid) for pid in popular]
    assert answer.degraded == ((FROM_SNAPSHOT,) if redis else ())
    with sold_lately(shopping, selling(shopping)) as pids:
        answer = await patient(shopping).best_sellers("", 3, CALL)
    assert ([one.pid for one in answer.items], answer.degraded) == (pids, (FROM_ROLLUPS,) if redis else ())


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
