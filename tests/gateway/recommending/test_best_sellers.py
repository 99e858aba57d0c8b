"""BestSellers: Redis first, the last snapshot while it is away."""

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest, NotFound, PermissionDenied
from conch.contracts.features import Family, unpack
from conch.contracts.keys import CatalogueKeys
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from gateway.recommending.best_sellers import FROM_SNAPSHOT
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


@pytest.mark.parametrize("redis", ["127.0.0.1:1", ""])
async def test_without_redis_they_are_the_snapshots(shopping_at: Make, redis: str) -> None:
    shopping = shopping_at(redis=redis)
    category = selling(shopping)
    expected = await shopping_at().use_cases.selling_best.best_sellers(category, 10, CALL)
    answer = await shopping.use_cases.selling_best.best_sellers(category, 10, CALL)
    assert [one.pid for one in answer.items] == [one.pid for one in expected.items]
    assert answer.degraded == ((FROM_SNAPSHOT,) if redis else ())


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
