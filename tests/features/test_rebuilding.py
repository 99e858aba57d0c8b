"""Everything is packed once more, and a Redis that was flushed has the catalogue's features again."""

import pytest

from conch.contracts.features import Family, Stamp
from conch.features.rebuilding import Rebuilding
from conch.stores.features import Hash, List, SortedSet
from conch.stores.relations import PackedRow
from conch.stores.rollups import Sale
from conch.stores.snapshot import Snapshot
from tests.features.conftest import MADE, NOW, Store, name

MADE_MS = int(MADE.timestamp() * 1000)


def test_a_rebuild_is_due_where_redis_never_saw_one_or_was_flushed(store: Store):
    assert store.rebuilding.is_due()
    store.rebuilding.rebuild()
    assert not store.rebuilding.is_due()
    flush(store)
    assert store.rebuilding.is_due()


def test_every_packed_form_comes_from_what_is_documented(store: Store):
    values = {
        store.keys.views("u"): List([name("d"), name("a")]),
        store.keys.best_sellers("rugs"): SortedSet({name("d"): 2.0}),
        store.keys.promo(name("a")): Hash({"boost": "1.5"}),
    }
    store.hot.values |= values
    store.hot.blobs.clear()
    store.hot.blobs[store.keys.views("u")] = b"of another version"
    store.rebuilding.rebuild()
    assert store.packed(store.keys.views("u"), Family.VIEWS) == {"pids": [3, 0], "masters": [2, 0]}
    assert store.packed(store.keys.best_sellers("rugs"), Family.BEST_SELLERS) == {"ids": [3], "scores": [2.0]}
    assert store.packed(store.keys.offers(name("m1")), Family.OFFERS) is not None
    assert {key: store.hot.documented(key) for key in values} == values


def test_relations_come_back_from_the_durable_table_as_old_as_they_are(store: Store):
    store.relate("m1", "m2", "m3")
    store.rebuilding.rebuild()
    key = store.keys.semantic(name("m1"))
    assert store.hot.documented(key) == SortedSet({name("m2"): 0.5, name("m3"): 0.5})
    assert store.packed(key, Family.SEMANTIC) == {"ids": [1, 2], "scores": [0.5, 0.5]}
    assert store.stamp(key, Family.SEMANTIC).window_end_ms == MADE_MS
    # The durable packed row is mended too.
    assert list(store.durable.read([key])) != [b""]


def test_a_documented_key_that_redis_has_is_not_written_over(store: Store):
    store.relate("m1", "m2")
    key, theirs = store.keys.semantic(name("m1")), SortedSet({name("m4"): 1.0})
    store.hot.values[key] = theirs
    store.rebuilding.rebuild()
    assert store.hot.documented(key) == theirs
    assert store.packed(key, Family.SEMANTIC) == {"ids": [3], "scores": [1.0]}


def test_a_flushed_redis_has_the_catalogue_again_and_nobodys_views(store: Store):
    store.relate("m1", "m2")
    store.durable.put_co_view("lamps", {"rugs": 2.0}, PackedRow(store.keys.co_view("lamps"), b""))
    store.durable.put_related_categories(
        "lamps", {"books": 1.0}, PackedRow(store.keys.related_categories("lamps"), b"")
    )
    store.sell(NOW - 60_000, Sale("lamps", name("a"), 3))
    store.hot.values[store.keys.views("u")] = List([name("a")])
    store.rebuilding.rebuild()
    store.snapshots.write()
    before = {key: value for key, value in store.hot.values.items() if not key.startswith(("user:", "features:"))}
    flush(store)
    store.rebuilding.rebuild()
    after = {key: value for key, value in store.hot.values.items() if not key.startswith("features:")}
    # Offers and activity of masters with relations come back; of the rest the next import, or the next view.
    hot = {store.keys.offers(name("m1")), store.keys.semantic(name("m1")), store.keys.active_masters}
    of_categories = {key for key in before if key.startswith("cat:")}
    assert len(of_categories) == 3
    assert set(after) == hot | of_categories
    assert {key: after[key] for key in of_categories} == {key: before[key] for key in of_categories}
    assert after[store.keys.offers(name("m1"))] == before[store.keys.offers(name("m1"))]
    active = after[store.keys.active_masters]
    assert active == SortedSet({name("m1"): float(Snapshot.open(store.folder.snapshot).about.written_ms)})


def test_to_rebuild_twice_ends_the_same_but_for_revisions(store: Store):
    store.relate("m1", "m2")
    store.rebuilding.rebuild()
    key = store.keys.semantic(name("m1"))
    values, first = dict(store.hot.values), store.packed(key, Family.SEMANTIC)
    store.rebuilding.rebuild()
    assert store.hot.values == values
    assert store.packed(key, Family.SEMANTIC) == first
    assert store.stamp(key, Family.SEMANTIC) > Stamp(0, MADE_MS, 0)


def flush(store: Store) -> None:
    store.hot.values.clear()
    store.hot.blobs.clear()


def test_answers_are_whole_again_before_everything_is_and_a_rebuild_that_broke_off_is_made_again(store: Store):
    store.relate("m1", "m2")
    store.rebuilding.rebuild()
    store.snapshots.write()
    flush(store)
    packed: list[object] = []

    class Broken(Exception):
        pass

    def progress(stage: str) -> None:
        if "durable" in stage:
            packed.extend(store.hot.read([store.keys.semantic(name("m1")), store.keys.features_kept]))
            raise Broken

    rebuilding = Rebuilding(store.folder, store.hot, store.durable, store.rollups, progress, store.clock.now_ms)
    with pytest.raises(Broken):
        rebuilding.rebuild()
    assert None not in packed
    assert rebuilding.is_due()
    store.rebuilding.rebuild()
    assert not rebuilding.is_due()
    assert store.hot.documented(store.keys.semantic(name("m1"))) == SortedSet({name("m2"): 0.5})


def test_relations_of_cold_masters_stay_in_the_durable_store(store: Store):
    store.relate("m1", "m2")
    store.hot.values[store.keys.active_masters] = SortedSet({name("m2"): 1.0})
    store.rebuilding.rebuild()
    key = store.keys.semantic(name("m1"))
    assert store.hot.documented(key) is None
    assert store.durable.read([key]) != [b""]
