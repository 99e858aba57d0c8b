"""Families without packed forms are read as other programs wrote them."""

import logging

import pytest

from conch.contracts.errors import Unavailable
from conch.contracts.features import Family, Unreadable, unpack
from conch.features.plain import features_of
from conch.features.rounds import PAUSE_S, Rounds
from conch.stores.features import Hash, HotFeatures, List, SortedSet
from conch.stores.memory_features import MemoryFeatures
from conch.stores.reading import FeatureReader
from conch.stores.sqlite_relations import SqliteRelations
from tests.features.conftest import NOW, Store, name


def plainly(store: Store, text: str) -> HotFeatures:
    store.folder.families.write_text(text)
    return features_of(store.folder, store.hot)


PLAIN = '["user:views"]\npacked = false\n["user:recent_cats"]\npacked = false\n[promo]\npacked = false\n'


def test_where_all_families_are_packed_the_store_is_read_as_it_is(store: Store):
    assert features_of(store.folder, store.hot) is store.hot
    assert plainly(store, "[promo]\npacked = true") is store.hot


def test_a_file_that_cannot_be_meant_makes_the_catalogue_unavailable(store: Store):
    with pytest.raises(Unavailable, match=r"features.toml: promo.packed is 3"):
        plainly(store, "[promo]\npacked = 3")


def test_plain_keys_and_packed_ones_come_in_order_and_alike(store: Store):
    views, bought, related = store.keys.views("u"), store.keys.bought("u"), store.keys.semantic(name("m1"))
    for key, value in (
        (views, List([name("d"), name("a")])),
        (bought, SortedSet({name("c"): float(NOW)})),
        (related, SortedSet({name("m2"): 0.5})),
    ):
        store.reconciler.put(key, value)
    keys = [related, store.keys.views("nobody"), views, bought]
    packed = store.hot.read(keys)
    hot = plainly(store, PLAIN)
    del store.hot.blobs[views]
    found = hot.read(keys)
    assert [found[0], found[1], found[3]] == [packed[0], None, packed[3]]
    columns = unpack(found[2] or b"", Family.VIEWS).columns
    assert {name: column.tolist() for name, column in columns.items()} == {"pids": [3, 0], "masters": [2, 0]}


def test_what_a_user_just_did_is_known_without_a_word_of_it(store: Store):
    hot = plainly(store, PLAIN)
    store.hot.values |= {
        store.keys.views("u"): List([name("d")]),
        store.keys.recent_categories("u"): SortedSet({"lamps": 2.0}),
    }
    reader = FeatureReader(store.keys, hot, SqliteRelations(store.folder.relations))
    (profile,), _ = reader.profiles(["u"])
    assert (profile.views.tolist(), profile.liked_weights.tolist()) == ([2], [2.0])
    reader.close()


def test_a_value_that_cannot_be_packed_is_unreadable_and_another_is_read(store: Store):
    hot, good, bad = plainly(store, PLAIN), store.keys.promo(name("a")), store.keys.promo(name("b"))
    store.hot.values |= {good: Hash({"boost": "2"}), bad: List(["no hash"])}
    first, second = hot.read([good, bad])
    assert unpack(first or b"", Family.PROMO).columns["boost"].tolist() == [2.0]
    with pytest.raises(Unreadable):
        unpack(second if second is not None else bytes(32), Family.PROMO)


def test_a_generation_that_turns_bad_leaves_what_packs(store: Store):
    hot, views = plainly(store, PLAIN), store.keys.views("u")
    store.hot.values[views] = List([name("d")])
    before = hot.read([views])
    assert before != [None]
    (store.folder.snapshot / "current").write_text("99\n")
    after, _ = hot.read([views, store.keys.views("nobody")])
    assert unpack(after or b"", Family.VIEWS).columns["pids"].tolist() == [3]
    with pytest.raises(Unavailable, match=r"snapshot 99 lacks about\.json"):
        features_of(store.folder, store.hot).read([views])


def test_a_store_that_is_away_is_not_asked_twice(store: Store):
    class Away(MemoryFeatures):
        def read(self, keys, within_s=None):
            raise Unavailable("Redis is away")

        def all_documented(self, keys):
            raise AssertionError("it was asked again")

    plainly(store, PLAIN)
    with pytest.raises(Unavailable, match="away"):
        features_of(store.folder, Away()).read([store.keys.views("u"), store.keys.features_kept], 0.05)


def test_nobody_packs_them_and_who_remembers_them_is_told(store: Store, caplog):
    caplog.set_level(logging.INFO)
    hot, promo = plainly(store, PLAIN), store.keys.promo(name("a"))
    store.hot.values[promo] = Hash({"boost": "2"})
    done = store.reconciler.touched([promo])
    assert (done.written, done.promos, store.hot.read([promo])) == (0, {promo}, [None])
    rounds = Rounds(store.folder, hot, store.reconciler, store.clock)
    assert rounds.step().written == 0
    store.clock.advance(PAUSE_S)
    rounds.step()
    assert "not told of" not in caplog.text


def test_as_many_relations_are_packed_as_the_file_says(store: Store):
    key = store.keys.semantic(name("m1"))
    plainly(store, '["master:sem"]\nrelations = 1\n')
    store.reconciler.put(key, SortedSet({name("m2"): 0.5, name("m3"): 0.75}))
    assert store.packed(key, Family.SEMANTIC) == {"ids": [2], "scores": [0.75]}
