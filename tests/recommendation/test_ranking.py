import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.contracts.provenance import DROPPED, NO_REASON, Change
from conch.recommendation import ranking as rules
from conch.recommendation.choosing import FLASH_SALE, OUT_OF_STOCK
from conch.recommendation.ranking import Items, Market, Offers, Promos
from conch.recommendation.scenarios import Ranking
from conch.stores.snapshot import csr
from tests.recommendation.ranking_oracle import Item, Master, Offer, Promo, ranked

NOW = 1_800_000_000_000
PLAIN = Ranking()
SPONSORED = Ranking(sponsored=True, sponsored_slots=1)


def offers_of(masters: Sequence[Master]) -> Offers:
    rows = [(master.number, offer) for master in masters for offer in master.offers]
    size = max((offer.pid for _, offer in rows), default=-1) + 1
    prices, ratings = np.zeros(size, np.float32), np.zeros(size, np.float32)
    sellers, stock = np.zeros(size, np.uint32), np.zeros(size, np.uint8)
    owned = np.full(size, NO_REASON, np.uint32)
    for number, offer in rows:
        owned[offer.pid] = number
        prices[offer.pid], ratings[offer.pid] = offer.price, offer.rating
        sellers[offer.pid], stock[offer.pid] = offer.seller, offer.stock
    count = max((master.number for master in masters), default=-1) + 1
    brands, categories = np.zeros(count, np.uint32), np.zeros(count, np.uint32)
    for master in masters:
        brands[master.number], categories[master.number] = master.brand, master.category
    owners = np.array([number for number, _ in rows], np.uint32)
    starts, (pids,) = csr(count, owners, np.array([offer.pid for _, offer in rows], np.uint32))
    return Offers(starts, pids, prices, sellers, ratings, stock, owned, brands, categories)


def promos_of(masters: Sequence[Master]) -> Promos:
    found = sorted((offer.pid, offer.promo) for master in masters for offer in master.offers if offer.promo)
    pids = np.array([pid for pid, _ in found], np.uint32)
    return Promos(
        pids,
        np.array([math.nan if promo.boost is None else promo.boost for _, promo in found], np.float32),
        np.array([math.nan if promo.bid is None else promo.bid for _, promo in found], np.float32),
        np.array([promo.expiry for _, promo in found], np.int64),
        np.array([OUT_OF_STOCK * promo.out_of_stock | FLASH_SALE * promo.flash_sale for _, promo in found], np.uint32),
    )


def rank(pairs: Sequence[tuple[Master, float]], ranking: Ranking = PLAIN, k: int = 50) -> Items:
    masters = [master for master, _ in pairs]
    numbers = np.array([master.number for master in masters], np.uint32)
    scores = np.array([score for _, score in pairs], np.float32)
    return rules.rank(numbers, scores, Market(offers_of(masters), promos_of(masters)), ranking, k, NOW)


def items(pairs: Sequence[tuple[Master, float]], found: Items) -> list[Item]:
    columns = (found.places, found.pids, found.scores, found.changes, found.adjustments)
    return [
        Item(pairs[place][0].number, int(pid), float(score), Change(int(changes)), tuple(map(float, given)))
        for place, pid, score, changes, given in zip(*columns, strict=True)
    ]


def one(number: int, *offers: Offer, **more) -> Master:
    return Master(number, offers, **more)


def test_the_cheapest_offer_is_sold_out_and_a_dearer_one_on_flash_sale():
    master = one(0, Offer(0, 5.0, stock=False), Offer(1, 9.0, promo=Promo(flash_sale=True)), Offer(2, 7.0))
    found = items([(master, 0.5)], rank([(master, 0.5)]))
    assert found == [Item(0, 1, 2.5, Change.FLASH_SALE, (1.0, 2.0, 1.0))]


def test_a_master_keeps_its_best_offer_and_says_that_stock_changed_the_choice():
    master = one(0, Offer(0, 5.0, promo=Promo(out_of_stock=True)), Offer(1, 9.0))
    assert items([(master, 0.5)], rank([(master, 0.5)])) == [Item(0, 1, 0.5, Change.OFFER_SWAPPED, (1.0, 0.0, 1.0))]


def test_equal_offers_are_chosen_by_price_then_rating_then_id():
    cheap = one(0, Offer(0, 9.0), Offer(1, 8.0))
    rated = one(1, Offer(2, 9.0, rating=3.0), Offer(3, 9.0, rating=4.0))
    first = one(2, Offer(5, 9.0), Offer(4, 9.0))
    pairs = [(cheap, 0.3), (rated, 0.2), (first, 0.1)]
    assert [item.pid for item in items(pairs, rank(pairs))] == [1, 3, 4]


def test_an_expired_promo_boosts_nothing_but_sold_out_stays_sold_out():
    promo = Promo(boost=3.0, bid=2.0, expiry=NOW, flash_sale=True)
    pairs = [
        (one(0, Offer(0, 1.0, promo=promo)), 0.5),
        (one(1, Offer(1, 1.0, promo=Promo(expiry=NOW, out_of_stock=True))), 0.9),
    ]
    found = rank(pairs)
    assert items(pairs, found) == [Item(0, 0, 0.5, Change.EXPIRED, (1.0, 0.0, 1.0))]
    assert found.dropped.tolist() == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("promo", [Promo(boost=-2.0), Promo(bid=-1.0)])
def test_a_negative_field_is_ignored_told_and_counted(promo):
    pairs = [(one(0, Offer(0, 1.0, promo=promo)), 0.5)]
    found = rank(pairs, SPONSORED)
    assert items(pairs, found) == [Item(0, 0, 0.5, Change.IGNORED, (1.0, 0.0, 1.0))]
    assert found.ignored == 1


def test_only_a_live_bid_enters_a_sponsored_slot():
    pairs = [
        (one(0, Offer(0, 1.0)), 0.9),
        (one(1, Offer(1, 1.0, promo=Promo(bid=1.5))), 0.2),
        (one(2, Offer(2, 1.0, promo=Promo(bid=3.0))), 0.2),
        (one(3, Offer(3, 1.0, promo=Promo(bid=9.0, expiry=NOW - 1))), 0.3),
    ]
    found = items(pairs, rank(pairs, SPONSORED))
    assert [item.pid for item in found] == [2, 0, 3, 1]
    assert found[0].changes == Change.SPONSORED
    assert found[0].score == pytest.approx(0.6)
    assert found[0].adjustments == (1.0, 0.0, 3.0)
    assert [item.pid for item in items(pairs, rank(pairs))] == [0, 3, 1, 2]


def test_caps_pass_over_what_comes_too_often():
    pairs = [
        (one(number, Offer(number, 1.0, seller=number % 2), brand=number % 3, category=7), 1 - number / 10)
        for number in range(6)
    ]
    by_seller = rank(pairs, Ranking(seller_cap=1))
    assert by_seller.pids.tolist() == [0, 1]
    assert by_seller.dropped[DROPPED.index("seller_cap")] == 4
    assert rank(pairs, Ranking(brand_cap=1)).pids.tolist() == [0, 1, 2]
    assert rank(pairs, Ranking(category_cap=4)).pids.tolist() == [0, 1, 2, 3]
    beyond = rank(pairs, k=2)
    assert (beyond.pids.tolist(), beyond.dropped[DROPPED.index("beyond_k")]) == ([0, 1], 4)


def test_masters_without_offers_and_ids_beyond_the_catalogue_are_dropped():
    pairs = [(one(0), 1.0), (one(1, Offer(0, 1.0)), 0.5)]
    market = Market(offers_of([one(0), pairs[1][0]]), promos_of([]))
    found = rules.rank(np.array([0, 1, 99], np.uint32), np.ones(3, np.float32), market, PLAIN, 10, NOW)
    assert found.pids.tolist() == [0]
    assert found.dropped[DROPPED.index("no_offer")] == 2
    assert rank([]).pids.tolist() == []


PROMOS = st.one_of(
    st.none(),
    st.builds(
        Promo,
        boost=st.sampled_from([None, -1.0, 0.0, 0.5, 2.0]),
        bid=st.sampled_from([None, -1.0, 0.0, 0.5, 2.0]),
        expiry=st.sampled_from([0, NOW - 1, NOW, NOW + 1]),
        out_of_stock=st.booleans(),
        flash_sale=st.booleans(),
    ),
)
# Halves and quarters: exact in floats, so that ties are ties for both.
OFFERS = st.tuples(st.sampled_from([1.0, 2.0]), st.sampled_from([3.0, 4.0]), st.integers(0, 2), st.booleans(), PROMOS)
MASTERS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 2), st.integers(0, 2), st.lists(OFFERS, max_size=4)
    ),
    max_size=8,
)
RANKINGS = st.builds(
    Ranking,
    flash_bonus=st.sampled_from([0.0, 2.0]),
    sponsored=st.booleans(),
    sponsored_slots=st.integers(0, 3),
    seller_cap=st.integers(0, 3),
    brand_cap=st.integers(0, 3),
    category_cap=st.integers(0, 3),
)


@settings(deadline=None, max_examples=300)
@given(MASTERS, RANKINGS, st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_kernel_says_what_the_oracle_says_ties_included(drawn, ranking, k, random):
    pids = iter(random.sample(range(64), 32))
    pairs = [
        (Master(number, [Offer(next(pids), *offer) for offer in offers], brand, category), score)
        for number, (score, brand, category, offers) in enumerate(drawn)
    ]
    found, expected = rank(pairs, ranking, k), ranked(pairs, ranking, k, NOW)
    assert items(pairs, found) == expected.items
    assert dict(zip(DROPPED, found.dropped.tolist(), strict=True)) == {name: expected.dropped[name] for name in DROPPED}
