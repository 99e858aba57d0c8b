"""Rank masters by their best offers: stock, promos, bids and caps.

    rule(o)       = score of its master · boost(o) + flash bonus where it is in a flash sale
    sponsored(o)  = rule(o) · bid(o)                    in the sponsored slots of a sponsored widget, where bid(o) > 0

Out of stock is out. A boost, a bid and a flash sale end when the promo expires; out of stock does not. Of a master the
best offer is kept: by -rule, price, -rating, id. In a sponsored widget the first places are sponsored slots: they go to
the masters with the best sponsored offers; the others follow by their rule scores. Caps of sellers, brands and
categories pass over what comes after their count is reached. tests/recommendation/ranking_oracle.py says the same with
dicts.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import DROPPED, NO_REASON, Change
from conch.recommendation.capping import IN, SOLD_OUT, WITHOUT, comes_first, within_caps
from conch.recommendation.scenarios import Ranking

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]

OUT_OF_STOCK, FLASH_SALE = 1, 2
"""Bits of a promo's flags."""


@dataclass(frozen=True, slots=True)
class Promos:
    """Rows by pid, ascending. Boost and bid are NaN and expiry is 0 where there is none."""

    pids: U4
    boosts: F4
    bids: F4
    expiries: I8
    """Epoch ms."""
    flags: U4
    marked: U1
    """Bit `pid & 7` of byte `pid >> 3` is set for each of `pids`: most offers have no promo and are not looked for."""


@dataclass(frozen=True, slots=True)
class Offers:
    """The catalogue's, by dense id (conch/stores/snapshot.py)."""

    starts: I8
    pids: U4
    prices: F4
    sellers: U4
    ratings: F4
    stock: U1
    brands: U4
    """By master."""
    categories: U4
    """By master."""


@dataclass(frozen=True, slots=True)
class Items:
    """Columns of the same length, the first place first."""

    places: npt.NDArray[np.int64]
    """Of each in the masters that were ranked."""
    pids: U4
    scores: F4
    changes: U4
    """provenance.Change."""
    adjustments: F4
    """(n, 3): boost, flash bonus, bid."""
    dropped: npt.NDArray[np.int32]
    """Masters that did not get in, in the order of provenance.DROPPED."""
    ignored: int
    """Fields of promos that are negative or no number."""


Column = TypeVar("Column", bound=npt.NDArray[Any])


def fixed(column: Column) -> Column:
    """As a plain array that nobody writes: for each other kind, as a mapped one, the kernel would be compiled again."""
    plain: Column = np.asarray(column).view()  # type: ignore[assignment]
    plain.flags.writeable = False
    return plain


def marks(pids: U4) -> U1:
    """Promos.marked of these."""
    size = int(pids.max(initial=0)) + 1
    flags = np.zeros((size + 7) // 8 * 8, bool)
    flags[pids] = True
    return np.packbits(flags, bitorder="little")


def rank(masters: U4, scores: F4, offers: Offers, promos: Promos, ranking: Ranking, k: int, now_ms: int) -> Items:
    """Masters with their candidate scores; at most k items."""
    size = min(k, len(masters))
    places, pids, marked = np.empty(size, np.int64), np.empty(size, np.uint32), np.empty(size, np.uint32)
    final, given, dropped = np.empty(size, np.float32), np.empty((size, 3), np.float32), np.zeros(6, np.int32)
    count, ignored = _rank(
        fixed(masters), fixed(scores), offers.starts, offers.pids, offers.prices, offers.ratings, offers.stock,
        offers.sellers, offers.brands, offers.categories,
        promos.pids, promos.boosts, promos.bids, promos.expiries, promos.flags, promos.marked,
        np.float64(ranking.flash_bonus), ranking.sponsored, now_ms, ranking.seller_cap, ranking.brand_cap,
        ranking.category_cap, ranking.sponsored_slots if ranking.sponsored else 0, k,
        places, pids, final, marked, given, dropped,
    )  # fmt: skip
    return Items(places[:count], pids[:count], final[:count], marked[:count], given[:count], dropped, ignored)


@numba.njit(cache=True, nogil=True)
def _rank(  # type: ignore[no-untyped-def]
    masters, scores, starts, offer_pids, prices, ratings, stock, sellers, brands, categories,
    promo_pids, boosts, bids, expiries, flags, marked, flash_bonus, sponsors, now_ms,
    seller_cap, brand_cap, category_cap, slots, k, places, pids, final, changes, given, dropped,
):  # fmt: skip
    """Into the last six; how many there are, and how many fields were ignored."""
    best = _best_offers(
        masters, scores, starts, offer_pids, prices, ratings, stock,
        promo_pids, boosts, bids, expiries, flags, marked, flash_bonus, sponsors, now_ms,
    )  # fmt: skip
    best_pids, rules, best_prices, best_ratings, best_changes, adjustments, sponsored, best_bids, states, ignored = best
    taken, in_slot, causes = within_caps(
        masters, best_pids, rules, best_prices, best_ratings, sponsored, states, sellers, brands, categories,
        seller_cap, brand_cap, category_cap, slots, k,
    )  # fmt: skip
    dropped[:] = causes
    for state in states:
        dropped[_OUT_OF_STOCK] += state == SOLD_OUT
        dropped[_NO_OFFER] += state == WITHOUT
    for rank in range(len(taken)):
        place, kind = taken[rank], np.int64(in_slot[rank])
        places[rank], pids[rank] = place, best_pids[place, kind]
        final[rank] = np.float32(sponsored[place] if kind else rules[place, 0])
        changes[rank] = best_changes[place, kind] | (_SPONSORED if kind else np.uint32(0))
        given[rank, 0], given[rank, 1] = adjustments[place, kind, 0], adjustments[place, kind, 1]
        given[rank, 2] = best_bids[place] if kind else 1.0
    return len(taken), ignored


_STOCKED, _OUT, _UNKNOWN = 0, 1, 2
"""Of offers; unknown to the snapshot."""
_OUT_OF_STOCK, _NO_OFFER = DROPPED.index("out_of_stock"), DROPPED.index("no_offer")


_BOOSTED, _FLASH, _EXPIRED = np.uint32(Change.BOOSTED), np.uint32(Change.FLASH_SALE), np.uint32(Change.EXPIRED)
_IGNORED, _SWAPPED = np.uint32(Change.IGNORED), np.uint32(Change.OFFER_SWAPPED)
_SPONSORED = np.uint32(Change.SPONSORED)


@numba.njit(cache=True)
def _promo_of(pid, pids):  # type: ignore[no-untyped-def]
    """Its row, or -1."""
    low, high = 0, len(pids)
    while low < high:
        middle = (low + high) // 2
        if pids[middle] < pid:
            low = middle + 1
        else:
            high = middle
    return low if low < len(pids) and pids[low] == pid else -1


@numba.njit(cache=True)
def _gathered(masters, starts, offer_pids, prices, ratings, stock, marked):  # type: ignore[no-untyped-def]
    """Offers of all masters, one after the other, with their columns.

    They lie anywhere in gigabytes. A pass that only fetches, one column at a time, has the processor wait for ten of
    them at once; a loop that decides as it goes waits for each.
    """
    count = len(masters)
    begins, bounds = np.zeros(count, np.int64), np.zeros(count + 1, np.int64)
    for place in range(count):
        master = np.int64(masters[place])
        if master + 1 < len(starts):
            begins[place] = starts[master]
            bounds[place + 1] = starts[master + 1] - starts[master]
    for place in range(count):
        bounds[place + 1] += bounds[place]
    size = bounds[count]
    pids, own_prices, own_ratings = np.empty(size, np.uint32), np.zeros(size, np.float32), np.zeros(size, np.float32)
    states, has_promo = np.full(size, _UNKNOWN, np.uint8), np.zeros(size, np.bool_)
    for place in range(count):
        shift = begins[place] - bounds[place]
        for at in range(bounds[place], bounds[place + 1]):
            pids[at] = offer_pids[at + shift]
    for at in range(size):
        if pids[at] < len(prices):
            own_prices[at] = prices[pids[at]]
    for at in range(size):
        if pids[at] < len(prices):
            own_ratings[at] = ratings[pids[at]]
    for at in range(size):
        if pids[at] < len(prices):
            states[at] = _STOCKED if stock[pids[at]] else _OUT
    for at in range(size):
        byte = pids[at] >> 3
        if byte < len(marked):
            has_promo[at] = (marked[byte] >> (pids[at] & 7)) & 1
    return bounds, pids, own_prices, own_ratings, states, has_promo


@numba.njit(cache=True)
def _best_offers(  # type: ignore[no-untyped-def]
    masters, scores, starts, offer_pids, prices, ratings, stock,
    promo_pids, boosts, bids, expiries, flags, marked, flash_bonus, sponsors, now_ms,
):  # fmt: skip
    """By master: columns 0 the best offer, columns 1 the best that bids."""
    count = len(masters)
    best_pids = np.full((count, 2), NO_REASON, np.uint32)
    best_rules = np.zeros((count, 2), np.float64)
    best_prices, best_ratings = np.zeros((count, 2), np.float32), np.zeros((count, 2), np.float32)
    best_changes = np.zeros((count, 2), np.uint32)
    best_given = np.ones((count, 2, 3), np.float64)
    sponsored, best_bids = np.full(count, -1.0, np.float64), np.ones(count, np.float64)
    states = np.zeros(count, np.uint8)
    ignored = 0
    bounds, offers, offer_prices, offer_ratings, states_of, has_promo = _gathered(
        masters, starts, offer_pids, prices, ratings, stock, marked
    )
    for place in range(count):
        begin, end = bounds[place], bounds[place + 1]
        states[place] = WITHOUT if begin == end else SOLD_OUT
        # The best of all, in stock or not: whether stock has changed the choice.
        first_pid, first_rule = np.uint32(NO_REASON), np.float64(-np.inf)
        first_price, first_rating = np.float32(0), np.float32(0)
        for at in range(begin, end):
            if states_of[at] == _UNKNOWN:
                continue
            pid, sold_out = offers[at], states_of[at] == _OUT
            boost, bonus, bid = np.float64(1.0), np.float64(0.0), np.float64(-1.0)
            change = np.uint32(0)
            row = _promo_of(pid, promo_pids) if has_promo[at] else -1
            if row >= 0:
                sold_out = sold_out or (flags[row] & OUT_OF_STOCK) != 0
                expired = expiries[row] != 0 and expiries[row] <= now_ms
                if boosts[row] < 0 or bids[row] < 0:
                    ignored += (boosts[row] < 0) + (bids[row] < 0)
                    change |= _IGNORED
                if expired:
                    change |= _EXPIRED
                else:
                    if boosts[row] >= 0 and np.isfinite(boosts[row]):
                        boost = np.float64(boosts[row])
                        change |= _BOOSTED
                    if flags[row] & FLASH_SALE:
                        bonus = flash_bonus
                        change |= _FLASH
                    if bids[row] > 0 and np.isfinite(bids[row]):
                        bid = np.float64(bids[row])
            rule = np.float64(scores[place]) * boost + bonus
            price, rating = offer_prices[at], offer_ratings[at]
            if comes_first(rule, price, rating, pid, first_rule, first_price, first_rating, first_pid):
                first_pid, first_rule, first_price, first_rating = pid, rule, price, rating
            if sold_out:
                continue
            for kind in range(2):
                if kind == 1 and not (sponsors and bid > 0):
                    continue
                value = rule if kind == 0 else rule * bid
                standing = best_rules[place, 0] if kind == 0 else sponsored[place]
                if best_pids[place, kind] == NO_REASON or comes_first(
                    value, price, rating, pid,
                    standing, best_prices[place, kind], best_ratings[place, kind], best_pids[place, kind],
                ):  # fmt: skip
                    best_pids[place, kind], best_rules[place, kind] = pid, rule
                    best_prices[place, kind], best_ratings[place, kind] = price, rating
                    best_changes[place, kind] = change
                    best_given[place, kind, 0], best_given[place, kind, 1] = boost, bonus
                    if kind == 1:
                        sponsored[place], best_bids[place] = value, bid
            states[place] = IN
        if states[place] == IN and first_pid != best_pids[place, 0]:
            best_changes[place, 0] |= _SWAPPED
    return (
        best_pids, best_rules, best_prices, best_ratings, best_changes, best_given,
        sponsored, best_bids, states, ignored,
    )  # fmt: skip
