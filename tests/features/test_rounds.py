"""What was written without a word is found, slowly."""

import logging
from collections.abc import Sequence
from itertools import islice

import pytest

from conch.catalogue.generating import generate
from conch.catalogue.made import Order
from conch.contracts.features import Family, Stamp
from conch.features.packing import FAMILY_OF
from conch.features.reconciling import Reconciler, rebuilt
from conch.features.rounds import AT_ONCE, LOOK_S, PAUSE_S, SPEND_S, Rounds
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash, List, SortedSet, Write
from conch.stores.memory_features import MemoryFeatures
from tests.features.conftest import NOW, Clock, Store, name


@pytest.fixture
def rounds(store: Store) -> Rounds:
    return Rounds(store.folder, store.hot, store.reconciler, store.clock)


def later(store: Store) -> None:
    store.clock.advance(PAUSE_S)


def test_a_key_that_was_written_without_a_word_is_packed_as_old_as_it_was(store: Store, rounds: Rounds, caplog):
    caplog.set_level(logging.INFO)
    key = store.keys.semantic(name("m1"))
    store.reconciler.put(key, SortedSet({name("m2"): 0.5}))
    stamp = store.stamp(key, Family.SEMANTIC)
    assert rounds.step().written == 0
    store.hot.values[key] = SortedSet({name("m3"): 0.75})
    later(store)
    assert rounds.step().written == 1
    assert store.packed(key, Family.SEMANTIC) == {"ids": [2], "scores": [0.75]}
    assert store.stamp(key, Family.SEMANTIC) == Stamp(stamp.epoch, stamp.window_end_ms, stamp.revision + 1)
    later(store)
    assert rounds.step().written == 0
    assert "1 features of default were written and not told of" in caplog.text


def test_a_key_without_a_packed_form_and_one_whose_form_is_unreadable_are_packed(store: Store, rounds: Rounds):
    views, promo = store.keys.views("u"), store.keys.promo(name("a"))
    store.hot.values |= {views: List([name("d")]), promo: Hash({"boost": "1.5"})}
    store.hot.blobs[views] = b"of another version"
    done = rounds.step()
    assert (done.written, done.promos) == (2, {promo})
    assert store.packed(views, Family.VIEWS) == {"pids": [3], "masters": [2]}
    assert store.packed(promo, Family.PROMO) is not None


def test_a_key_that_was_deleted_without_a_word_takes_its_packed_form_along(store: Store, rounds: Rounds, caplog):
    caplog.set_level(logging.INFO)
    keys = store.keys
    related, views, promo = keys.semantic(name("m1")), keys.views("u"), keys.promo(name("a"))
    store.reconciler.put(related, SortedSet({name("m2"): 0.5}))
    store.reconciler.put(views, List([name("d")]))
    store.reconciler.put(promo, Hash({"boost": "1.5"}))
    assert rounds.step().gone == 0
    for key in (related, views, promo):
        del store.hot.values[key]
    heard = store.hot.messages([keys.features_packed], wait_s=0.01)
    later(store)
    done = rounds.step()
    assert (done.gone, done.written, done.promos) == (3, 0, {promo})
    assert store.hot.read([related, views, promo]) == [None, None, None]
    assert {message for _, message in islice(heard, 3)} == {related, views, promo}
    later(store)
    assert rounds.step().gone == 0
    assert "3 features of default were deleted and not told of" in caplog.text


def test_what_stands_packed_alone_is_no_deleted_key(store: Store, rounds: Rounds):
    """Relations of a cold master, a list that was served, and a list that has nothing in it."""
    keys, packer = store.keys, store.reconciler.packer()
    related, views = keys.semantic(name("m1")), keys.views("u")
    served = keys.served("1", "u", "control")
    alone = packer.packed(related, SortedSet({name("m2"): 0.5}), Stamp())
    empty = packer.packed(views, List([]), Stamp())
    store.hot.write([Write(related, alone, None, 60), Write(served, alone, None, 60), Write(views, empty, List([]))])
    del store.hot.values[views]
    assert rounds.step().gone == 0
    assert store.hot.read([related, served, views]) == [alone, alone, empty]


def test_what_cannot_be_packed_is_passed_over(store: Store, rounds: Rounds):
    store.hot.values |= {store.keys.views("u"): Hash({"a": "b"}), "somebody:else": List(["x"]),
                         store.keys.views("v"): List([name("d")])}  # fmt: skip
    assert rounds.step().written == 1
    assert store.packed(store.keys.views("u"), Family.VIEWS) is None


def test_interests_that_are_as_of_many_moments_are_left_unless_a_category_came_or_went(store: Store, rounds: Rounds):
    key = store.keys.recent_categories("u")
    store.hot.values[key] = SortedSet({"lamps": 1.0})
    rounds.step()
    packed = store.packed(key, Family.RECENT_CATEGORIES)
    store.hot.values[key] = SortedSet({"lamps": 0.5})
    later(store)
    assert rounds.step().written == 0
    assert store.packed(key, Family.RECENT_CATEGORIES) == packed
    store.hot.values[key] = SortedSet({"lamps": 0.5, "rugs": 1.0})
    later(store)
    assert rounds.step().written == 1


class Slow(MemoryFeatures):
    """A wave takes some of the clock's time."""

    clock: Clock

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        self.clock.advance(SPEND_S / 2)
        return super().read(keys, within_s)


def test_a_step_takes_no_more_than_its_share_and_the_next_goes_on(store: Store):
    slow = Slow()
    slow.clock = store.clock
    many = 5 * AT_ONCE
    slow.values = {store.keys.views(f"u{number}"): List([name("a")]) for number in range(many)}
    for key in slow.values:
        Reconciler(store.folder, slow, store.clock.now_ms).put(key, slow.values[key])
    rounds = Rounds(store.folder, slow, store.reconciler, store.clock)
    before = slow.reads
    rounds.step()
    assert slow.reads - before == 2
    rounds.step()
    assert slow.reads - before == 2
    while slow.reads - before < 5:
        store.clock.advance(LOOK_S)
        rounds.step()
    store.clock.advance(LOOK_S)
    rounds.step()
    assert slow.reads - before == 5


def test_a_made_up_catalogue_is_at_rest(tmp_path):
    folder, hot, clock = CatalogueFolder.of(tmp_path, "acme"), MemoryFeatures(), Clock()
    generate(folder, hot, Order(200, users=30, related=5))
    families = {parsed[0] for key in hot.values if (parsed := folder.keys.parsed(key))}
    # Nobody has been exposed to an experiment yet.
    assert families == FAMILY_OF.keys() - {"user:segment"}
    # Packed purchases name a pid as often as it was bought, which a sorted set does not.
    twice = [key for key in hot.values if ":user:bought:" in key]
    Reconciler(folder, hot, lambda: NOW).repack(twice, rebuilt)
    before = hot.reads
    done = Rounds(folder, hot, Reconciler(folder, hot, lambda: NOW), clock).step()
    assert (done.written, done.gone) == (0, 0)
    assert hot.reads - before >= len(hot.values) // AT_ONCE - 1
