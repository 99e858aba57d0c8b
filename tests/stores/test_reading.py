import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from conch.contracts.errors import Unavailable
from conch.contracts.features import LAYOUTS, Family, Packed, Stamp, pack
from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import Exposure
from conch.recommendation.interests import COLD
from conch.stores.features import Write
from conch.stores.ids import IdIndex, IdWriter, Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.memory_relations import MemoryRelations
from conch.stores.reading import (
    EMPTIED,
    FROM_DURABLE,
    FROM_SNAPSHOT,
    NO_DURABLE,
    NO_PROFILES,
    REMEMBER_S,
    STALE_MS,
    STALE_TOLD_S,
    FeatureReader,
)
from conch.stores.relations import PackedRow
from conch.stores.snapshot import Snapshot, empty

NOW_MS = 1_800_000_000_000
KEYS = CatalogueKeys()
MASTERS = uuids_of("default", [f"master-{number}" for number in range(10)])
NAMES = texts_of(MASTERS)


class Slow:
    """Takes what its caller has, and then fails."""

    clock: "Clock"
    needs_s = 0.0
    asked_within: float | None = None

    def spend(self, within_s: float | None) -> None:
        self.asked_within = within_s
        left_s = math.inf if within_s is None else within_s
        self.clock.now += min(self.needs_s, left_s)
        if self.needs_s > left_s:
            raise Unavailable(f"it has not answered within {within_s} s")


class Hot(MemoryFeatures, Slow):
    """Filled, as who rebuilds it says."""

    away = False

    def __init__(self) -> None:
        super().__init__()
        self.blobs[KEYS.features_kept] = b""

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        if self.away:
            raise Unavailable("Redis is away")
        self.spend(within_s)
        return super().read(keys)


class Durable(MemoryRelations, Slow):
    away = False
    reads = 0

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Lock()

    def held(self) -> threading.Lock:
        """While it is, nobody is answered."""
        return self._gate

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        if self.away:
            raise Unavailable("the durable store is away")
        with self._gate:
            self.spend(within_s)
        self.reads += 1
        return super().read(keys)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hot() -> Hot:
    return Hot()


@pytest.fixture
def durable() -> Durable:
    return Durable()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(hot, durable, clock) -> FeatureReader:
    hot.clock = durable.clock = clock
    return FeatureReader(KEYS, hot, durable, clock=clock, now_ms=lambda: NOW_MS)


@pytest.fixture(scope="module")
def ids(tmp_path_factory) -> IdIndex:
    writer = IdWriter(tmp_path_factory.mktemp("ids"), "default")
    writer.allot(Kind.MASTERS, MASTERS)
    return writer.publish()


def packed(family: Family, *rows: Sequence[float], made_ms: int = NOW_MS) -> bytes:
    kinds = LAYOUTS[family].columns
    columns = {name: np.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(kinds.items())}
    return pack(Packed(family, columns, 1, Stamp(window_end_ms=made_ms)))


def put(hot: Hot, key: str, blob: bytes) -> None:
    hot.blobs[key] = blob


def semantic(reader: FeatureReader, masters: Sequence[int], ids: IdIndex, snapshot: Snapshot | None = None):
    found, degraded = reader.related({Family.SEMANTIC: masters}, ids, snapshot or Snapshot.empty())
    return {master: related.masters.tolist() for master, related in found[Family.SEMANTIC].items()}, degraded


def of_hot(*masters: int) -> Snapshot:
    """A snapshot that knows them to be hot, and no relations."""
    return replace(Snapshot.empty(), columns=replace(empty(), active_masters=np.array(masters, np.uint32)))


def test_profiles_of_a_whole_batch_are_one_wave(reader, hot):
    put(hot, KEYS.views("a"), packed(Family.VIEWS, (70, 7), (80, 8)))
    put(hot, KEYS.recent_categories("a"), packed(Family.RECENT_CATEGORIES, (3, 0.5, NOW_MS)))
    put(hot, KEYS.bought("b"), packed(Family.BOUGHT, (9, NOW_MS)))
    profiles, degraded = reader.profiles(["a", "", "b", "nobody", "a"])
    assert hot.reads == reader.reads == 1
    assert degraded == set()
    assert profiles[0].views.tolist() == [7, 8]
    assert (profiles[0].liked.tolist(), profiles[0].liked_weights.tolist()) == ([3], [0.5])
    assert profiles[2].bought.tolist() == [9]
    assert (profiles[1], profiles[3], profiles[4]) == (COLD, COLD, profiles[0])


def test_first_exposures_come_in_the_wave_of_profiles(reader, hot):
    exposure = Exposure("new", "spring", 5)
    put(hot, KEYS.views("a"), packed(Family.VIEWS, (70, 7)))
    put(hot, KEYS.segment("a"), exposure.encode())
    put(hot, KEYS.segment("b"), b"of another version")
    found = reader.shoppers(["b", "", "a", "nobody"])
    assert (hot.reads, found.exposures, found.are_all) == (1, [None, None, exposure, None], True)
    assert found.profiles[2].views.tolist() == [7]
    assert reader.tally.unreadable == 1


def test_exposures_that_are_not_there_may_have_been_where_redis_is_away_or_emptied_or_there_is_none(reader, hot):
    hot.blobs.clear()
    assert (reader.shoppers(["a"]).are_all, reader.shoppers(["a"]).degraded) == (False, {EMPTIED})
    hot.away = True
    assert (reader.shoppers(["a"]).are_all, reader.shoppers(["a"]).degraded) == (False, {NO_PROFILES})
    nowhere = FeatureReader(KEYS, None, MemoryRelations()).shoppers(["a"])
    assert (nowhere.profiles, nowhere.exposures, nowhere.are_all, nowhere.degraded) == ([COLD], [None], False, set())


def test_nobody_is_asked_for_nobody(reader, hot):
    assert reader.profiles(["", ""]) == ([COLD, COLD], set())
    assert hot.reads == 0


def test_relations_of_a_whole_batch_are_one_wave_and_then_remembered(reader, hot, durable, ids):
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))
    put(hot, KEYS.semantic(NAMES[2]), packed(Family.SEMANTIC, (6, 0.8)))
    assert semantic(reader, [1, 2, 1], ids, of_hot(1, 2)) == ({1: [5], 2: [6]}, set())
    assert (hot.reads, durable.reads) == (1, 0)
    assert semantic(reader, [2, 1], ids) == ({1: [5], 2: [6]}, set())
    assert (hot.reads, reader.tally.hits, reader.tally.misses) == (1, 4, 0)


def test_masters_that_are_not_hot_are_asked_of_both_stores_in_one_wave(reader, hot, durable, ids):
    for master, related in ((2, 6), (3, 7)):
        durable.write([PackedRow(KEYS.semantic(NAMES[master]), packed(Family.SEMANTIC, (related, 0.8)))])
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))
    put(hot, KEYS.semantic(NAMES[3]), packed(Family.SEMANTIC, (8, 0.9)))
    assert semantic(reader, [1, 2, 3], ids, of_hot(1)) == ({1: [5], 2: [6], 3: [8]}, set())
    assert (hot.reads, durable.reads, reader.reads) == (1, 1, 1)


def test_a_hot_master_that_redis_lacks_is_read_behind_the_answer_for_the_next_one(reader, hot, durable, ids):
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    with durable.held():
        assert semantic(reader, [1], ids, of_hot(1)) == ({}, set())
        assert semantic(reader, [1], ids, of_hot(1)) == ({}, set())
    assert reader.missing() == [NAMES[1]]
    deadline = time.monotonic() + 10
    while not semantic(reader, [1], ids, of_hot(1))[0]:
        assert time.monotonic() < deadline
    assert semantic(reader, [1], ids, of_hot(1)) == ({1: [5]}, set())
    assert (durable.reads, reader.reads) == (1, 1)


def test_two_families_are_read_in_one_wave(reader, hot, ids):
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))
    put(hot, KEYS.master_co_view(NAMES[1]), packed(Family.MASTER_CO_VIEW, (6, 3.0)))
    found, _ = reader.related({Family.SEMANTIC: [1], Family.MASTER_CO_VIEW: [1]}, ids, Snapshot.empty())
    assert found[Family.SEMANTIC][1].masters.tolist() == [5]
    assert found[Family.MASTER_CO_VIEW][1].masters.tolist() == [6]
    assert hot.reads == 1


def test_what_was_remembered_is_read_again_after_a_while_and_when_it_changed(reader, hot, clock, ids):
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))
    semantic(reader, [1], ids)
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (6, 0.9)))
    assert semantic(reader, [1], ids)[0] == {1: [5]}
    reader.forget([1])
    assert semantic(reader, [1], ids)[0] == {1: [6]}
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (7, 0.9)))
    clock.now += 1.2 * REMEMBER_S
    assert semantic(reader, [1], ids)[0] == {1: [7]}


def test_what_redis_does_not_have_comes_from_the_durable_store_without_being_degraded(reader, durable, ids):
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    assert semantic(reader, [1], ids) == ({1: [5]}, set())
    assert reader.tally.misses == 1


def test_a_master_without_relations_is_asked_for_once_and_noted(reader, hot, durable, ids):
    assert semantic(reader, [3], ids) == ({}, set())
    assert semantic(reader, [3], ids) == ({}, set())
    assert (hot.reads, durable.reads, reader.missing()) == (1, 1, [NAMES[3]])
    assert reader.missing() == []


def test_without_redis_users_are_unknown_and_relations_come_from_the_durable_store(reader, hot, durable, ids):
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    put(hot, KEYS.views("a"), packed(Family.VIEWS, (70, 7)))
    hot.away = True
    assert reader.profiles(["a"]) == ([COLD], {NO_PROFILES})
    assert semantic(reader, [1], ids) == ({1: [5]}, {FROM_DURABLE})
    hot.away = False
    assert reader.profiles(["a"])[0][0].views.tolist() == [7]


def test_without_both_the_snapshot_knows_the_active_masters(reader, hot, durable, ids):
    hot.away = durable.away = True
    columns = replace(
        empty(),
        relation_masters=np.array([1, 4], np.uint32),
        relation_starts=np.array([0, 1, 3]),
        relation_ids=np.array([5, 6, 7], np.uint32),
        relation_scores=np.ones(3, np.float32),
    )
    snapshot = replace(Snapshot.empty(), columns=columns)
    assert semantic(reader, [1, 2, 4, 9], ids, snapshot) == ({1: [5], 4: [6, 7]}, {FROM_SNAPSHOT})
    hot.away = durable.away = False
    put(hot, KEYS.semantic(NAMES[2]), packed(Family.SEMANTIC, (8, 0.9)))
    assert semantic(reader, [2], ids) == ({2: [8]}, set())


def test_without_the_durable_store_only_what_redis_lacks_is_missing(reader, hot, durable, ids):
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))
    durable.away = True
    assert semantic(reader, [1, 2], ids) == ({1: [5]}, {NO_DURABLE})


def test_a_store_that_keeps_failing_is_left_alone_and_tried_again(reader, hot, clock):
    hot.away = True
    for _ in range(3):
        reader.profiles(["a"])
    hot.away = False
    put(hot, KEYS.views("a"), packed(Family.VIEWS, (70, 7)))
    assert reader.profiles(["a"]) == ([COLD], {NO_PROFILES})
    assert hot.reads == 0
    clock.now += 1.0
    assert reader.profiles(["a"])[0][0].views.tolist() == [7]


@pytest.mark.parametrize("blob", [b"", b"\x07" * 40, packed(Family.CO_VIEW, (1, 1.0))])
def test_a_blob_that_cannot_be_read_is_missing_and_counted(reader, hot, durable, ids, blob):
    put(hot, KEYS.semantic(NAMES[1]), blob)
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    assert semantic(reader, [1], ids) == ({1: [5]}, set())
    assert reader.tally.unreadable == 1


def test_old_relations_are_served_and_counted(reader, hot, ids):
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9), made_ms=NOW_MS - STALE_MS - 1))
    put(hot, KEYS.semantic(NAMES[2]), packed(Family.SEMANTIC, (5, 0.9), made_ms=NOW_MS - STALE_MS))
    found, _ = reader.related({Family.SEMANTIC: [1, 2]}, ids, Snapshot.empty())
    assert [found[Family.SEMANTIC][master].stale for master in (1, 2)] == [True, False]
    assert reader.tally.stale == 1


def test_the_log_tells_of_a_masters_old_relations_once_a_day(reader, hot, ids, clock, caplog):
    for master in (1, 2):
        put(hot, KEYS.semantic(NAMES[master]), packed(Family.SEMANTIC, (5, 0.9), made_ms=NOW_MS - 2 * STALE_MS))

    def told_after(seconds: float) -> int:
        clock.now += seconds
        caplog.clear()
        reader.forget_all()
        reader.related({Family.SEMANTIC: [1, 2]}, ids, Snapshot.empty())
        return sum("are 180 days old, at most 90" in line for line in caplog.messages)

    assert [told_after(seconds) for seconds in (0, 60, STALE_TOLD_S - 120, 120)] == [2, 0, 0, 2]
    assert reader.tally.stale == 8


def test_writes_are_seen_through_the_real_write_path(reader, hot, ids):
    hot.write([Write(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    assert semantic(reader, [1], ids)[0] == {1: [5]}


def test_a_wave_has_half_of_the_time_that_is_left_and_the_last_one_all(reader, hot, durable, clock, ids):
    until = clock.now + 0.2
    hot.needs_s = 0.06
    assert reader.profiles(["a"], until) == ([COLD], set())
    assert hot.asked_within == pytest.approx(0.1)
    hot.needs_s = 10.0
    assert reader.related({Family.SEMANTIC: [1]}, ids, of_hot(1), until)[1] == {FROM_DURABLE}
    assert (hot.asked_within, durable.asked_within) == (pytest.approx(0.07), pytest.approx(0.07))


def test_both_stores_of_one_wave_have_the_time_there_is(reader, hot, durable, clock, ids):
    until = clock.now + 0.2
    reader.related({Family.SEMANTIC: [1]}, ids, Snapshot.empty(), until)
    assert (hot.asked_within, durable.asked_within) == (pytest.approx(0.1), pytest.approx(0.2))


def test_what_did_not_come_in_time_is_left_out_and_told_of(reader, hot, durable, clock, ids):
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    until = clock.now + 0.2
    hot.needs_s = 10.0
    assert reader.profiles(["a"], until) == ([COLD], {NO_PROFILES})
    found, degraded = reader.related({Family.SEMANTIC: [1]}, ids, of_hot(1, 2), until)
    assert (list(found[Family.SEMANTIC]), degraded) == ([1], {FROM_DURABLE})
    durable.needs_s = 10.0
    reader.forget_all()
    _, degraded = reader.related({Family.SEMANTIC: [1]}, ids, of_hot(1, 2), until)
    assert degraded == {FROM_SNAPSHOT}
    assert clock.now == pytest.approx(until)
    assert reader.related({Family.SEMANTIC: [2]}, ids, of_hot(1, 2), until)[1] == {FROM_SNAPSHOT}
    assert clock.now == pytest.approx(until)


def test_who_has_hardly_any_time_does_not_close_a_store_for_others(reader, hot, clock):
    hot.needs_s = 0.01
    for _ in range(5):
        assert reader.profiles(["a"], clock.now + 0.01)[1] == {NO_PROFILES}
    assert reader.profiles(["a"], clock.now + 0.2)[1] == set()


def test_a_redis_that_was_emptied_is_told_of_until_it_is_filled_again(reader, hot, durable, ids):
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    hot.blobs.clear()
    assert reader.profiles(["a"]) == ([COLD], {EMPTIED})
    assert semantic(reader, [1, 2], ids) == ({1: [5]}, {EMPTIED})
    durable.away = True
    assert semantic(reader, [1], ids) == ({}, {EMPTIED, NO_DURABLE})
    # What was not there for that reason is nobody's to make.
    assert reader.missing() == []
    durable.away = False
    put(hot, KEYS.features_kept, b"")
    put(hot, KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (6, 0.9)))
    assert reader.profiles(["a"]) == ([COLD], set())
    assert semantic(reader, [1], ids) == ({1: [6]}, set())


def test_where_there_is_no_redis_nobody_misses_it(durable, ids):
    durable.write([PackedRow(KEYS.semantic(NAMES[1]), packed(Family.SEMANTIC, (5, 0.9)))])
    durable.clock = Clock()
    reader = FeatureReader(KEYS, None, durable)
    assert reader.profiles(["a"]) == ([COLD], set())
    assert semantic(reader, [1], ids) == ({1: [5]}, set())


def ahead(family: Family, *rows: Sequence[float], generation: int = 2) -> bytes:
    kinds = LAYOUTS[family].columns
    columns = {name: np.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(kinds.items())}
    return pack(Packed(family, columns, generation, Stamp(window_end_ms=NOW_MS)))


def test_a_blob_of_a_newer_generation_forces_a_look_and_loses_what_is_still_unknown(hot, durable, clock, ids, tmp_path):
    hot.clock = durable.clock = clock
    writer = IdWriter(tmp_path, "default")
    writer.allot(Kind.MASTERS, MASTERS[:9])
    writer.publish()
    looks: list[int] = []

    def look(generation: int) -> IdIndex:
        looks.append(generation)
        return IdIndex.open(tmp_path)

    reader = FeatureReader(KEYS, hot, durable, ids=look, clock=clock, now_ms=lambda: NOW_MS)
    put(hot, KEYS.views("a"), ahead(Family.VIEWS, (70, 8), (80, 9), (90, 2**32 - 1)))
    put(hot, KEYS.semantic(NAMES[1]), ahead(Family.SEMANTIC, (5, 0.9), (9, 0.8)))
    (profile,), _ = reader.profiles(["a"])
    assert (profile.views.tolist(), reader.tally.unknown) == ([8, 2**32 - 1], 1)
    assert semantic(reader, [1], ids) == ({1: [5]}, set())
    assert reader.tally.unknown == 2
    writer.allot(Kind.MASTERS, MASTERS)
    writer.publish()
    (profile,), _ = reader.profiles(["a"])
    assert (profile.views.tolist(), reader.tally.unknown) == ([8, 9, 2**32 - 1], 2)
    before = len(looks)
    reader.profiles(["a"])
    assert len(looks) == before
