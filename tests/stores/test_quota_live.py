"""Every quota does the same: what they all must do, and what Redis alone must."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from redis import Redis

from conch.contracts.errors import Unavailable
from conch.stack.serving import free_ports
from conch.stores.memory_quota import MemoryQuota
from conch.stores.quota import Quota, Take, Taken
from conch.stores.redis_quota import RedisQuota
from tests.redis_server import RedisServer, running_redis

PATIENT_S = 10.0
"""For what is no matter of time: a busy machine may stop us for long."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def address(server: RedisServer) -> str:
    with server.client() as redis:
        redis.flushall()
    return server.address


@pytest.fixture(params=["memory", "redis"])
def make_quota(request: pytest.FixtureRequest) -> Callable[[], Quota]:
    """Each call makes one more client of the same quota."""
    if request.param == "memory":
        memory = MemoryQuota()
        return lambda: memory
    address = request.getfixturevalue("address")
    return lambda: RedisQuota(address, PATIENT_S)


def test_takes_are_granted_up_to_the_limit_and_each_is_taken_whole_or_not_at_all(
    make_quota: Callable[[], Quota],
) -> None:
    with closing(make_quota()) as quota:
        takes = [Take("a", amount, limit=10) for amount in (6, 5, 4, 1)]
        assert quota.take(takes, keep_s=60) == [Taken(True, 6), Taken(False, 6), Taken(True, 10), Taken(False, 10)]


def test_keys_do_not_share_their_limits(make_quota: Callable[[], Quota]) -> None:
    with closing(make_quota()) as quota:
        assert quota.take([Take("a", 10, 10), Take("b", 3, 5)], keep_s=60) == [Taken(True, 10), Taken(True, 3)]


def test_what_is_given_back_can_be_taken_again(make_quota: Callable[[], Quota]) -> None:
    with closing(make_quota()) as quota:
        quota.take([Take("a", 7, 10)], keep_s=60)
        quota.give_back([Take("a", 7, 10)])
        assert quota.take([Take("a", 10, 10)], keep_s=60) == [Taken(True, 10)]


def test_a_limit_that_has_shrunk_counts_at_once(make_quota: Callable[[], Quota]) -> None:
    with closing(make_quota()) as quota:
        quota.take([Take("a", 7, 10)], keep_s=60)
        assert quota.take([Take("a", 1, 5)], keep_s=60) == [Taken(False, 7)]


def test_many_at_once_are_granted_no_more_than_the_limit(make_quota: Callable[[], Quota]) -> None:
    granted: list[bool] = []

    def take_often() -> None:
        with closing(make_quota()) as quota:
            for _ in range(50):
                granted.extend(taken.granted for taken in quota.take([Take("a", 1, 100)], keep_s=60))

    threads = [threading.Thread(target=take_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(granted), sum(granted)) == (200, 100)


def test_in_redis_a_key_is_an_integer_that_goes_away_by_itself(address: str) -> None:
    with closing(RedisQuota(address, PATIENT_S)) as quota, Redis.from_url(f"redis://{address}") as redis:
        quota.take([Take("a", 7, 10)], keep_s=60)
        assert redis.get("a") == b"7"
        assert 0 < redis.ttl("a") <= 60


def test_a_key_that_is_gone_does_not_come_back_by_what_is_given_back(address: str) -> None:
    with closing(RedisQuota(address, PATIENT_S)) as quota, Redis.from_url(f"redis://{address}") as redis:
        quota.give_back([Take("a", 7, 10)])
        assert redis.exists("a") == 0


def test_a_redis_that_is_not_there_is_unavailable() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with closing(RedisQuota(address)) as quota, pytest.raises(Unavailable, match="Redis does not answer"):
        quota.take([Take("a", 1, 1)], keep_s=60)


def test_a_redis_that_hangs_is_unavailable_and_works_again_when_it_goes_on(server: RedisServer, address: str) -> None:
    with closing(RedisQuota(address, deadline_s=0.2)) as quota:
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable, match="Redis does not answer"):
                quota.take([Take("a", 1, 10)], keep_s=60)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        deadline = time.monotonic() + 20
        while not _granted(quota, Take("b", 1, 1000)):
            assert time.monotonic() < deadline, "it does not come back"


def test_a_redis_that_refuses_is_unavailable(address: str) -> None:
    with closing(RedisQuota(address, PATIENT_S)) as quota, Redis.from_url(f"redis://{address}") as redis:
        redis.lpush("a", "not a number")
        with pytest.raises(Unavailable, match="WRONGTYPE"):
            quota.take([Take("a", 1, 10)], keep_s=60)


def _granted(quota: Quota, take: Take) -> bool:
    try:
        return quota.take([take], keep_s=60)[0].granted
    except Unavailable:
        return False
