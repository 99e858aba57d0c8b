"""Packed forms follow what other programs write."""

from collections.abc import Sequence
from itertools import islice

import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Family, Stamp
from conch.features.reconciling import Reconciler
from conch.stores.features import Hash, List, SortedSet, Value, Write
from conch.stores.memory_features import MemoryFeatures
from tests.features.conftest import NOW, Store, name


def test_what_another_program_wrote_is_packed_and_left_as_it_is(store: Store):
    key, theirs = store.keys.best_sellers("lamps"), SortedSet({name("a"): 2.0, name("c"): 3.0})
    store.hot.values[key] = theirs
    done = store.reconciler.touched([key])
    assert (done.written, done.gone, done.refused) == (1, 0, [])
    assert store.packed(key, Family.BEST_SELLERS) == {"ids": [2, 0], "scores": [3.0, 2.0]}
    assert store.hot.documented(key) == theirs


def test_a_documented_key_that_is_gone_takes_its_packed_form_along(store: Store):
    key = store.keys.offers(name("m1"))
    assert store.packed(key, Family.OFFERS) is not None
    del store.hot.values[key]
    done = store.reconciler.touched([key])
    assert (done.written, done.gone, done.offers) == (0, 1, {name("m1"): {}})
    assert store.packed(key, Family.OFFERS) is None


class WritesMeanwhile(MemoryFeatures):
    """Another program writes a key anew right after it was found gone."""

    def all_documented(self, keys: Sequence[str]) -> Sequence[Value | None]:
        found = super().all_documented(keys)
        self.values |= {key: List([name("a")]) for key in keys}
        return found


def test_a_documented_key_that_stands_again_in_that_moment_is_not_deleted(store: Store):
    key, hot = store.keys.views("u"), WritesMeanwhile()
    reconciler = Reconciler(store.folder, hot, store.clock.now_ms)
    assert reconciler.touched([key]).gone == 0
    assert hot.documented(key) == List([name("a")])
    assert reconciler.touched([key]).written == 1


def test_a_key_of_the_wrong_type_or_of_nobody_is_told_and_the_others_are_packed(store: Store):
    good, bad = store.keys.views("u"), store.keys.views("v")
    store.hot.values |= {good: List([name("a")]), bad: Hash({"a": "b"})}
    done = store.reconciler.touched([bad, "nonsense", good, good])
    assert done.written == 1
    assert done.refused == [
        "'nonsense' is no documented key of catalogue default",
        "user:views:v: it is a hash, not a list",
    ]
    assert store.packed(good, Family.VIEWS) == {"pids": [0], "masters": [0]}


def test_a_touched_key_is_newer_than_what_stood_there(store: Store):
    key = store.keys.views("u")
    store.hot.values[key] = List([name("a")])
    store.reconciler.touched([key])
    assert store.stamp(key, Family.VIEWS) == Stamp(0, NOW, 0)
    store.reconciler.touched([key])
    assert store.stamp(key, Family.VIEWS) == Stamp(0, NOW, 1)
    store.clock.advance(1)
    store.reconciler.touched([key])
    assert store.stamp(key, Family.VIEWS) == Stamp(0, NOW + 1_000, 0)


def test_who_remembers_a_feature_and_who_keeps_a_promo_is_told(store: Store):
    keys = store.keys
    heard = store.hot.messages([keys.features_packed, keys.promos_changed], wait_s=0.01)
    store.reconciler.put(keys.promo(name("a")), Hash({"boost": "2"}))
    assert list(islice(heard, 3)) == [
        (keys.features_packed, keys.promo(name("a"))),
        (keys.promos_changed, name("a")),
        ("", ""),
    ]


def test_put_writes_both_forms_or_refuses(store: Store):
    key = store.keys.recent_categories("u")
    store.reconciler.put(key, SortedSet({"rugs": 1.5}))
    assert store.hot.documented(key) == SortedSet({"rugs": 1.5})
    packed = store.packed(key, Family.RECENT_CATEGORIES)
    assert packed is not None
    assert (packed["weights"], packed["times"]) == ([1.5], [NOW])
    with pytest.raises(InvalidRequest, match="it is a list, not a sorted set"):
        store.reconciler.put(key, List(["rugs"]))
    assert store.hot.documented(key) == SortedSet({"rugs": 1.5})


def test_put_stands_over_an_open_window_of_later(store: Store):
    key = store.keys.co_view("lamps")
    store.reconciler.put(key, SortedSet({"rugs": 1.0}))
    (blob,) = store.hot.read([key])
    assert blob is not None
    later = store.reconciler.packer().packed(key, SortedSet({"rugs": 2.0}), Stamp(4, NOW + 60_000, 0))
    store.hot.write([Write(key, later, SortedSet({"rugs": 2.0}))])
    store.reconciler.put(key, SortedSet({"rugs": 3.0}))
    assert store.hot.documented(key) == SortedSet({"rugs": 3.0})
    assert store.stamp(key, Family.CO_VIEW) == Stamp(4, NOW + 60_000, 1)
