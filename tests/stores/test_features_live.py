"""Every store of hot features does the same: memory, a Redis, a cluster of three; and what Redis alone must."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from conch.contracts.errors import Unavailable
from conch.contracts.features import Family, Packed, Stamp, pack
from conch.contracts.keys import PACKED_TTL, packed
from conch.stores.features import BREAK, SILENCE, Hash, HotFeatures, List, SortedSet, Value, Write
from conch.stores.memory_features import MemoryFeatures
from conch.stores.redis_features import JITTER, RedisFeatures
from tests.redis_server import RedisServer, running_cluster, running_redis

PATIENT_S = 10.0
FIRST = Stamp()

Make = Callable[[], HotFeatures]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


@pytest.fixture
def address(server: RedisServer) -> str:
    with server.client() as redis:
        redis.flushall()
    return server.address


@pytest.fixture(params=["memory", "redis", "cluster"])
def features(request: pytest.FixtureRequest) -> Iterator[HotFeatures]:
    if request.param == "memory":
        store: HotFeatures = MemoryFeatures()
    elif request.param == "redis":
        store = RedisFeatures(request.getfixturevalue("address"), deadline_s=PATIENT_S)
    else:
        servers = request.getfixturevalue("cluster")
        for one in servers:
            with one.client() as redis:
                redis.flushall()
        store = RedisFeatures(servers[0].address, cluster=True, deadline_s=PATIENT_S)
    with closing(store):
        yield store


def blob(*ids: int, stamp: Stamp = FIRST) -> bytes:
    columns = {"ids": np.array(ids, np.uint32), "scores": np.ones(len(ids), np.float32)}
    return pack(Packed(Family.SEMANTIC, columns, 1, stamp))


VALUES: list[Value] = [
    SortedSet({"b": 0.5, "a": 2.0}),
    SortedSet({str(number): float(number) for number in range(3_000)}),
    List(["last", "first", "last"]),
    Hash({"p1": "9.99:s1:4.5", "p2": "8.50:s2:"}),
]


@pytest.mark.parametrize("value", VALUES, ids=["sorted set", "3,000 members", "list", "hash"])
def test_both_forms_are_written_and_read(features, value):
    assert features.write([Write("k", blob(1), value, ttl_s=60)]) == [True]
    assert features.documented("k") == value
    assert features.read(["k"]) == [blob(1)]


def test_documented_forms_of_many_keys_come_in_order(features):
    written = {f"k:{number}": value for number, value in enumerate(VALUES)}
    features.write([Write(key, blob(1), value) for key, value in written.items()])
    features.write([Write("k:packed-alone", blob(1))])
    keys = ["k:none", *reversed(written), "k:packed-alone"]
    assert features.all_documented(keys) == [None, *reversed(written.values()), None]
    assert features.exist(keys) == [False, *[True] * len(written), False]
    assert (features.all_documented([]), features.exist([])) == ([], [])


def test_one_wave_reads_many_keys_in_order_and_none_where_there_is_none(features):
    keys = [f"k:{number}" for number in range(50)]
    features.write([Write(key, blob(number)) for number, key in enumerate(keys) if number % 2])
    expected = [blob(number) if number % 2 else None for number in range(50)]
    assert list(features.read(keys)) == expected
    assert list(features.read([])) == []


def test_a_newer_stamp_stays_and_an_equal_one_is_overwritten(features):
    old, new = Stamp(1, 100, 0), Stamp(1, 200, 0)
    assert features.write([Write("k", blob(1, stamp=new), List(["new"]))]) == [True]
    assert features.write([Write("k", blob(2, stamp=old), List(["old"]))]) == [False]
    assert (features.documented("k"), features.read(["k"])) == (List(["new"]), [blob(1, stamp=new)])
    assert features.write([Write("k", blob(3, stamp=new), List(["again"]))]) == [True]
    assert (features.documented("k"), features.read(["k"])) == (List(["again"]), [blob(3, stamp=new)])


@pytest.mark.parametrize(
    ("older", "newer"),
    [(Stamp(1, 9, 9), Stamp(2, 0, 0)), (Stamp(1, 1, 0), Stamp(1, 1, 1)), (Stamp(0, -(2**41) - 1), Stamp(0, -(2**41)))],
)
def test_stamps_are_compared_by_epoch_then_window_then_revision(features, older, newer):
    features.write([Write("k", blob(1, stamp=newer))])
    assert features.write([Write("k", blob(2, stamp=older))]) == [False]
    features.write([Write("l", blob(1, stamp=older))])
    assert features.write([Write("l", blob(2, stamp=newer))]) == [True]


def test_what_another_program_wrote_is_packed_beside_and_left_as_it_is(features):
    features.write([Write("k", blob(1), List(["theirs"]))])
    features.write([Write("k", blob(2))])
    assert (features.documented("k"), features.read(["k"])) == (List(["theirs"]), [blob(2)])


def test_another_value_replaces_the_whole_of_the_one_before(features):
    features.write([Write("k", blob(1), SortedSet({"a": 1.0, "b": 2.0}))])
    features.write([Write("k", blob(1), SortedSet({"c": 3.0}))])
    assert features.documented("k") == SortedSet({"c": 3.0})


def test_what_is_deleted_is_gone_in_both_forms(features):
    features.write([Write(key, blob(1), List(["x"])) for key in ("a", "b", "c")])
    features.delete(["a", "b", "none"])
    assert [features.documented(key) for key in "abc"] == [None, None, List(["x"])]
    assert features.read(["a", "b"]) == [None, None]


def test_a_scan_finds_documented_keys_and_not_their_packed_forms(features):
    features.write([Write(f"promo:{number}", blob(1), Hash({"boost": "2"})) for number in range(30)])
    features.write([Write("other:1", blob(1), Hash({"boost": "2"}))])
    assert set(features.scan("promo:*")) == {f"promo:{number}" for number in range(30)}


def test_a_scan_of_packed_forms_finds_what_has_no_documented_one(features):
    features.write([Write("rec:1:ana", blob(1)), Write("rec:1:bo", blob(1)), Write("rec:ana", blob(1), List(["x"]))])
    assert set(features.scan_packed("rec:*:ana*")) == {"rec:1:ana"}
    assert "rec:ana" in set(features.scan_packed("*"))


def test_a_documented_key_that_somebody_deleted_is_told_from_what_was_packed_alone(features):
    values = {key: List(["x"]) for key in ("stays", "for good", "for a day", "says nothing")}
    empty = {"says nothing": blob()}
    features.write([Write(key, empty.get(key, blob(1)), value, _TTL_S[key]) for key, value in values.items()])
    features.write([Write("alone", blob(1), None, _TTL_S["alone"])])
    for key in ("for good", "for a day", "says nothing"):
        _delete_documented(features, key)
    assert features.deleted(_TTL_S) == [False, True, True, False, False, False]
    assert features.deleted({}) == []


_TTL_S = {"stays": 60, "for good": None, "for a day": 86_400, "says nothing": None, "alone": 60, "none": 60}


def _delete_documented(features: HotFeatures, key: str) -> None:
    if isinstance(features, MemoryFeatures):
        del features.values[key]
    else:
        assert isinstance(features, RedisFeatures)
        features._run(lambda client: client.delete(key))


def test_a_packed_form_is_forsaken_only_where_the_documented_key_stands_no_more(features):
    features.write([Write("a", blob(1), List(["x"])), Write("b", blob(1))])
    assert features.forsake(["a", "b", "none"]) == [False, True, True]
    assert features.read(["a", "b"]) == [blob(1), None]


def test_what_is_published_is_heard_by_who_listened_before(features):
    heard = features.messages(["changed", "other"], wait_s=0.05)
    features.publish("changed", ["a", "b"])
    features.publish("unheard", ["c"])
    features.publish("other", ["d"])
    found: list[tuple[str, str]] = []
    while len(found) < 3:
        message = next(heard)
        if message != SILENCE:
            found.append(message)
    assert sorted(found) == [("changed", "a"), ("changed", "b"), ("other", "d")]
    assert next(heard) == SILENCE


def test_a_packed_key_outlives_the_documented_one_with_jitter(address, server):
    with closing(RedisFeatures(address)) as features, server.client() as redis:
        features.write([Write(f"k{number}", blob(1), List(["x"]), ttl_s=1_000) for number in range(20)])
        kept = {redis.ttl(packed(f"k{number}")) for number in range(20)}
        assert 990 <= redis.ttl("k0") <= 1_000
        assert len(kept) > 1
        assert 1_000 * PACKED_TTL - 10 <= min(kept) <= max(kept) <= 1_000 * PACKED_TTL * (1 + JITTER)


def test_what_is_packed_alone_is_kept_for_as_long_as_it_would_outlive_a_documented_key(address, server):
    with closing(RedisFeatures(address)) as features, server.client() as redis:
        features.write([Write("k", blob(1), ttl_s=1_000)])
        longest_s = 1_000 * (PACKED_TTL * (1 + JITTER) - 1)
        assert 1_000 * (PACKED_TTL - 1) - 10 <= redis.ttl(packed("k")) <= longest_s


def test_a_documented_key_that_ended_by_itself_was_not_deleted_though_its_packed_form_was_renewed(address, server):
    with closing(RedisFeatures(address)) as features, server.client() as redis:
        features.write([Write("ours", blob(1), List(["x"]), ttl_s=100)])
        redis.rpush("theirs", "x")
        redis.pexpire("theirs", 400)
        redis.pexpire("ours", 400)
        features.write([Write("ours", blob(2), ttl_s=100), Write("theirs", blob(2), ttl_s=100)])
        assert features.deleted({"ours": 100, "theirs": 100}) == [False, False]
        kept = [redis.pttl(packed(key)) for key in ("ours", "theirs")]
        assert all(100_000 * (PACKED_TTL - 1) < left < 100_000 * PACKED_TTL for left in kept)
        while redis.exists("ours", "theirs"):
            pass
        assert features.deleted({"ours": 100, "theirs": 100}) == [False, False]


def test_a_redis_that_is_away_or_hangs_is_unavailable_within_the_deadline(tmp_path):
    with running_redis(tmp_path) as server, closing(RedisFeatures(server.address, deadline_s=0.2)) as features:
        features.write([Write("k", blob(1))])
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable, match="Redis does not answer"):
                features.read(["k"])
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        assert _eventually(lambda: features.read(["k"])) == [blob(1)]
        server.process.kill()
        server.process.wait()
        for call in (lambda: features.read(["k"]), lambda: list(features.scan("*")), lambda: features.delete(["k"])):
            with pytest.raises(Unavailable):
                call()


def test_a_listener_outlives_a_break(tmp_path):
    with closing(RedisFeatures("127.0.0.1:1", deadline_s=0.2)) as features, pytest.raises(Unavailable):
        features.messages(["changed"], wait_s=0.01)
    with (
        running_redis(tmp_path) as server,
        closing(RedisFeatures(server.address, deadline_s=PATIENT_S)) as features,
    ):
        heard = features.messages(["changed"], wait_s=0.05)
        with server.client() as redis:
            redis.execute_command("CLIENT KILL TYPE pubsub")
        said = [next(heard)]
        while said[-1] != ("changed", "after"):
            features.publish("changed", ["after"])
            said.append(next(heard))
        assert said.count(BREAK) == 1


def _eventually(call: Callable[[], object]) -> object:
    while True:
        try:
            return call()
        except Unavailable:
            continue
