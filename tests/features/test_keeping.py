"""Step by step: what is touched is packed at once, snapshots follow each minute, or soon after much has changed."""

from itertools import pairwise

import numpy as np

from conch.contracts.errors import Unavailable
from conch.contracts.features import Family
from conch.contracts.identifiers import uuid_of
from conch.contracts.provenance import NO_REASON
from conch.features.keeping import EVERY_S, LOOK_S, MUCH, SOON_S
from conch.stores import generations
from conch.stores.features import Hash, List, SortedSet
from conch.stores.ids import IdIndex
from conch.stores.promos import PromoBook
from conch.stores.snapshot import Snapshot
from tests.features.conftest import Store, name


def published(store: Store) -> int:
    return generations.current(store.folder.snapshot)


def test_the_first_step_packs_everything_and_publishes_and_then_each_minute(store: Store):
    store.hot.values[store.keys.views("u")] = List([name("a")])
    keeper = store.keeper()
    keeper.step()
    assert store.packed(store.keys.views("u"), Family.VIEWS) is not None
    first = published(store)
    store.clock.advance(EVERY_S - 1)
    keeper.step()
    assert published(store) == first
    store.clock.advance(1)
    keeper.step()
    assert published(store) == first + 1


def test_much_that_changed_is_published_soon_and_little_with_the_minute(store: Store):
    keeper = store.keeper()
    keeper.step()
    first = published(store)
    keys = [store.keys.views(f"u{number}") for number in range(MUCH)]
    store.hot.values |= {key: List([name("a")]) for key in keys}
    keeper.touched(keys[:-1])
    store.clock.advance(SOON_S)
    keeper.step()
    assert published(store) == first
    keeper.touched(keys[-1:])
    keeper.step()
    assert published(store) == first + 1


def test_an_offer_that_another_program_wrote_is_soon_in_the_snapshot(store: Store):
    keeper = store.keeper()
    keeper.step()
    key = store.keys.offers(name("m1"))
    store.hot.values[key] = Hash({name("a"): "2.50:s2:1.5", name("unknown"): "1:s:1"})
    keeper.touched([key])
    store.clock.advance(SOON_S)
    keeper.step()
    columns = Snapshot.open(store.folder.snapshot).columns
    # a has another price and seller, b is offered no more, the other masters are as they were.
    assert columns.offer_pids.tolist() == [0, 2, 3, 4, 5]
    assert np.diff(columns.offer_starts).tolist() == [1, 1, 2, 1]
    assert (columns.pid_price[0], columns.pid_rating[0], columns.pid_seller[0]) == (2.5, 1.5, columns.pid_seller[4])
    assert columns.pid_master.tolist() == [0, NO_REASON, 1, 2, 2, 3]


def test_a_pid_that_other_programs_offer_under_two_masters_stands_under_the_last(store: Store):
    keeper = store.keeper()
    keeper.step()
    for master in ("m2", "m4"):
        key = store.keys.offers(name(master))
        store.hot.values[key] = Hash({name("a"): "2.50:s2:1.5"})
        keeper.touched([key])
    store.clock.advance(SOON_S)
    keeper.step()
    columns = Snapshot.open(store.folder.snapshot).columns
    offers = [columns.offer_pids[start:end].tolist() for start, end in pairwise(columns.offer_starts)]
    assert offers == [[1], [], [3, 4], [0]]
    assert columns.pid_master.tolist() == [3, 0, NO_REASON, 2, 2, NO_REASON]


def test_promos_are_published_as_a_book(store: Store):
    keeper = store.keeper()
    store.reconciler.put(store.keys.promo(name("a")), Hash({"boost": "1.5"}))
    keeper.step()
    book = PromoBook(store.folder.promos, store.keys, store.hot, now_ms=store.clock.now_ms)
    assert (book.current().pids.tolist(), book.current().boosts.tolist()) == ([0], [1.5])
    # One that is told of on a channel, and one that is gone.
    store.reconciler.put(store.keys.promo(name("d")), Hash({"ad_bid": "2"}))
    keeper.promos([store.keys.promo(name("d"))])
    del store.hot.values[store.keys.promo(name("a"))]
    keeper.touched([store.keys.promo(name("a"))])
    store.clock.advance(EVERY_S)
    keeper.step()
    book.refresh()
    assert book.current().pids.tolist() == [3]
    assert book.age_s == 0


def test_a_flushed_redis_is_filled_again(store: Store):
    keeper = store.keeper()
    store.relate("m1", "m2")
    keeper.step()
    store.hot.values.clear()
    store.hot.blobs.clear()
    store.clock.advance(LOOK_S)
    keeper.step()
    assert store.hot.documented(store.keys.semantic(name("m1"))) == SortedSet({name("m2"): 0.5})


def test_a_flush_takes_no_promo_out_of_the_book(store: Store):
    keeper = store.keeper()
    said = {name("a"): {"out_of_stock": "1"}, name("d"): {"boost": "1.5", "expiry": "1900000000000", "flash_sale": "1"},
            name("f"): {"boost": "wrong", "ad_bid": "2.5"}}  # fmt: skip
    for pid, fields in said.items():
        store.reconciler.put(store.keys.promo(pid), Hash(fields))
    keeper.step()
    book = PromoBook(store.folder.promos, store.keys, store.hot, now_ms=store.clock.now_ms)
    whole = [book.current().pids.tolist(), book.current().flags.tolist(), book.current().expiries.tolist()]
    # It is flushed right before the minute is over.
    store.clock.advance(EVERY_S - 1)
    keeper.step()
    store.hot.values.clear()
    store.hot.blobs.clear()
    store.clock.advance(1)
    keeper.step()
    book.refresh()
    assert [book.current().pids.tolist(), book.current().flags.tolist(), book.current().expiries.tolist()] == whole
    assert np.isnan(book.current().boosts[0])
    assert (book.current().boosts[1:].tolist(), book.current().bids[2]) == ([1.5, -1.0], 2.5)
    again = {pid: store.hot.documented(store.keys.promo(pid)) for pid in said}
    assert again == {
        name("a"): Hash({"out_of_stock": "1"}),
        name("d"): Hash({"boost": "1.5", "expiry": "1900000000000", "flash_sale": "1"}),
        name("f"): Hash({"boost": "-1.0", "ad_bid": "2.5"}),
    }


def test_after_redis_was_away_everything_is_packed_once_more(store: Store):
    keeper = store.keeper()
    keeper.step()
    before = Snapshot.open(store.folder.snapshot)
    working = type(store.hot).documented
    store.hot.documented = _away  # type: ignore[method-assign, assignment]
    key = store.keys.views("u")
    keeper.touched([store.keys.offers(name("m1"))])
    store.clock.advance(EVERY_S)
    keeper.step()
    away = Snapshot.open(store.folder.snapshot)
    assert (away.generation, away.about.written_ms) == (before.generation + 1, before.about.written_ms)
    # Nobody heard of what was written meanwhile.
    store.hot.values[key] = List([name("a")])
    store.hot.documented = working.__get__(store.hot)  # type: ignore[method-assign]
    store.clock.advance(LOOK_S)
    keeper.step()
    assert store.packed(key, Family.VIEWS) is not None
    assert Snapshot.open(store.folder.snapshot).about.written_ms == store.clock.ms


def _away(key: str) -> None:
    raise Unavailable("Redis does not answer")


def test_while_the_importer_holds_the_lease_nothing_is_published_and_then_soon(store: Store):
    keeper = store.keeper()
    with store.folder.lease():
        keeper.step()
        assert published(store) == 1
    keeper.step()
    assert published(store) == 2
    assert IdIndex.open(store.folder.ids).generation == 1
    assert store.durable.offers(uuid_of("default", "m1")) is not None


def test_what_somebody_is_making_or_importing_is_not_rebuilt_beside_them(store: Store):
    keeper = store.keeper()
    with store.folder.lease():
        keeper.step()
        assert store.hot.documented(store.keys.features_kept) is None
    store.clock.advance(LOOK_S)
    keeper.step()
    assert store.hot.documented(store.keys.features_kept) is not None
