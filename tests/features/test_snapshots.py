"""The snapshot of a host: what the stores say, who answers in whose place, and an age that is honest."""

from dataclasses import replace

import numpy as np
import pytest

from conch.contracts.errors import Unavailable
from conch.contracts.features import Stamp
from conch.features.wares import best_rated, lineages
from conch.stores.features import SortedSet
from conch.stores.ids import Kind
from conch.stores.relations import PackedRow
from conch.stores.rollups import ALL, Sale
from conch.stores.snapshot import Columns, Snapshot, csr, empty
from tests.features.conftest import NOW, Store, name


def row(columns: Columns, table: str, values: str, number: int) -> list[int]:
    starts = getattr(columns, f"{table}_starts")
    found: list[int] = getattr(columns, f"{table}_{values}")[starts[number] : starts[number + 1]].tolist()
    return found


def open_(store: Store) -> Snapshot:
    return Snapshot.open(store.folder.snapshot)


class Away:
    """Every call to Redis fails."""

    def __getattr__(self, method: str):
        def call(*_: object) -> None:
            raise Unavailable("Redis does not answer")

        return call


def test_best_sellers_co_view_and_related_categories_are_those_of_redis(store: Store):
    keys, lamps, rugs = store.keys, store.number(Kind.CATEGORIES, "lamps"), store.number(Kind.CATEGORIES, "rugs")
    store.reconciler.put(keys.best_sellers("lamps"), SortedSet({name("b"): 3.0, name("c"): 4.0, name("a"): 3.0}))
    store.reconciler.put(keys.best_sellers("home"), SortedSet({name("c"): 4.0}))
    store.reconciler.put(keys.co_view("lamps"), SortedSet({"rugs": 2.0}))
    store.reconciler.put(keys.related_categories("rugs"), SortedSet({"lamps": 1.0}))
    store.snapshots.write()
    columns = open_(store).columns
    assert row(columns, "best", "pids", lamps) == [2, 0, 1]
    assert row(columns, "co_view", "categories", lamps) == [rugs]
    assert row(columns, "related", "categories", rugs) == [lamps]
    # Everything is its roots together.
    assert columns.popular_pids.tolist() == [2]
    assert columns.popular_scores.tolist() == [4.0]


def test_relations_of_active_masters_come_from_redis_and_else_from_the_durable_store(store: Store):
    packer = store.reconciler.packer()
    for master, other, write in (("m1", "m2", store.hot), ("m3", "m4", store.durable)):
        key, value = store.keys.semantic(name(master)), SortedSet({name(other): 0.5})
        packed = packer.packed(key, value, Stamp(0, NOW, 0))
        if write is store.hot:
            store.hot.blobs[key] = packed
        else:
            store.durable.write([PackedRow(key, packed)])
    store.snapshots.write()
    columns = open_(store).columns
    assert columns.active_masters.tolist() == [0, 1, 2, 3]
    assert columns.relation_masters.tolist() == [0, 2]
    assert columns.relation_starts.tolist() == [0, 1, 2]
    assert columns.relation_ids.tolist() == [1, 3]


def test_a_minute_later_only_what_changes_is_written_anew(store: Store):
    store.clock.advance(60)
    store.reconciler.put(store.keys.best_sellers("lamps"), SortedSet({name("b"): 3.0}))
    before = open_(store)
    store.snapshots.write()
    after = open_(store)
    assert after.about.written_ms == NOW + 60_000
    for column in ("pid_price", "offer_pids", "master_category"):
        first, second = (
            store.folder.snapshot / f"generation-{one.generation}" / f"{column}.npy" for one in (before, after)
        )
        assert first.samefile(second)


def test_without_redis_the_rollups_say_what_sells_and_the_age_stays(store: Store):
    store.reconciler.put(store.keys.co_view("lamps"), SortedSet({"rugs": 2.0}))
    store.snapshots.write()
    store.sell(NOW + 60_000, Sale("lamps", name("b"), 3), Sale(ALL, name("b"), 3), Sale("lamps", name("gone"), 9))
    store.clock.advance(120)
    replace(store, hot=Away()).snapshots.write()  # type: ignore[arg-type]
    snapshot = open_(store)
    lamps, rugs = store.number(Kind.CATEGORIES, "lamps"), store.number(Kind.CATEGORIES, "rugs")
    assert row(snapshot.columns, "best", "pids", lamps) == [1]
    assert snapshot.columns.popular_pids.tolist() == [1]
    # Nothing sold: the best rated in stock. What the snapshot before knew beside that stays.
    assert row(snapshot.columns, "best", "pids", rugs) == [3]
    assert row(snapshot.columns, "co_view", "categories", lamps) == [rugs]
    assert snapshot.about.written_ms == NOW


def test_without_redis_and_rollups_the_snapshot_before_stays(store: Store):
    store.reconciler.put(store.keys.best_sellers("lamps"), SortedSet({name("b"): 3.0}))
    store.snapshots.write()
    before = open_(store)
    store.sell(NOW, Sale("lamps", name("a"), 3))
    for published in store.folder.published_rollups.glob("*/*"):
        published.write_bytes(b"not a file of ours")
    store.clock.advance(120)
    replace(store, hot=Away()).snapshots.write()  # type: ignore[arg-type]
    after = open_(store)
    assert (after.generation, after.about.written_ms) == (before.generation + 1, NOW)
    np.testing.assert_array_equal(after.columns.best_pids, before.columns.best_pids)


def test_a_blob_that_cannot_be_read_is_as_good_as_none(store: Store):
    store.hot.blobs[store.keys.best_sellers("rugs")] = b"of another version"
    store.snapshots.write()
    assert row(open_(store).columns, "best", "pids", store.number(Kind.CATEGORIES, "rugs")) == [3]


def test_the_best_rated_of_a_category_are_among_those_below_it():
    parents = np.array([2**32 - 1, 0, 0, 1], np.uint32)
    assert lineages(parents).shape == (4, 3)
    starts, (pids,) = csr(3, np.array([0, 1, 2, 2], np.uint32), np.arange(4, dtype=np.uint32))
    columns = replace(
        empty(),
        master_category=np.array([1, 2, 3], np.uint32),
        offer_starts=starts,
        offer_pids=pids,
        pid_master=np.array([0, 1, 2, 2], np.uint32),
        pid_rating=np.array([3, 4, 5, 2], np.float32),
        pid_stock=np.array([1, 1, 1, 0], np.uint8),
        category_parent=parents,
    )
    categories, best = best_rated(columns, most=2)
    found = {number: best[categories == number].tolist() for number in range(4)}
    assert found == {0: [2, 1], 1: [2, 0], 2: [1], 3: [2]}


@pytest.mark.parametrize("parents", [[], [2**32 - 1]], ids=["no category", "one root"])
def test_lineages_of_little(parents):
    assert lineages(np.array(parents, np.uint32)).shape == (len(parents), 1)
