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
    best = _best_offers(
        fixed(masters), fixed(scores), offers.starts, offers.pids, offers.prices, offers.ratings, offers.stock,
        promos.pids, promos.boosts, promos.bids, promos.expiries, promos.flags, promos.marked,
        np.float64(ranking.flash_bonus), ranking.sponsored, now_ms,
    )  # fmt: skip
    pids, rules, prices, ratings, changes, adjustments, sponsored, bids, states, ignored = best
    taken, slots, dropped = _within_caps(
        fixed(masters), pids, rules, prices, ratings, sponsored, states, offers.sellers, offers.brands,
        offers.categories, ranking.seller_cap, ranking.brand_cap, ranking.category_cap,
        ranking.sponsored_slots if ranking.sponsored else 0, k,
    )  # fmt: skip
    dropped[_OUT_OF_STOCK] += np.count_nonzero(states == _SOLD_OUT)
    dropped[_NO_OFFER] += np.count_nonzero(states == _WITHOUT)
    which = slots.astype(np.int64)
    given = adjustments[taken, which]
    given[:, 2] = np.where(slots, bids[taken], 1.0)
    marked = changes[taken, which] | np.where(slots, np.uint32(Change.SPONSORED), np.uint32(0))
    final = np.where(slots, sponsored[taken], rules[taken, 0])
    return Items(
        taken, pids[taken, which], final.astype(np.float32), marked.astype(np.uint32), given.astype(np.float32),
        dropped, int(ignored),
    )  # fmt: skip


_IN, _SOLD_OUT, _WITHOUT = 0, 1, 2
_OUT_OF_STOCK, _NO_OFFER, _SELLER, _BRAND, _CATEGORY, _BEYOND = range(len(DROPPED))


_BOOSTED, _FLASH, _EXPIRED = np.uint32(Change.BOOSTED), np.uint32(Change.FLASH_SALE), np.uint32(Change.EXPIRED)
_IGNORED, _SWAPPED = np.uint32(Change.IGNORED), np.uint32(Change.OFFER_SWAPPED)


@numba.njit(cache=True)
def _promo_of(pid, pids, marked):  # type: ignore[no-untyped-def]
    """Its row, or -1."""
    byte = pid >> 3
    if byte >= len(marked) or not (marked[byte] >> (pid & 7)) & 1:
        return -1
    low, high = 0, len(pids)
    while low < high:
        middle = (low + high) // 2
        if pids[middle] < pid:
            low = middle + 1
        else:
            high = middle
    return low if low < len(pids) and pids[low] == pid else -1


@numba.njit(cache=True)
def _comes_first(score, price, rating, pid, other_score, other_price, other_rating, other_pid):  # type: ignore[no-untyped-def]
    if score != other_score:
        return score > other_score
    if price != other_price:
        return price < other_price
    if rating != other_rating:
        return rating > other_rating
    return pid < other_pid


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
    for place in range(count):
        master = np.int64(masters[place])
        begin, end = (starts[master], starts[master + 1]) if master + 1 < len(starts) else (0, 0)
        states[place] = _WITHOUT if begin == end else _SOLD_OUT
        # The best of all, in stock or not: whether stock has changed the choice.
        first_pid, first_rule = np.uint32(NO_REASON), np.float64(-np.inf)
        first_price, first_rating = np.float32(0), np.float32(0)
        for at in range(begin, end):
            pid = offer_pids[at]
            sold_out = pid >= len(prices) or stock[pid] == 0
            if pid >= len(prices):
                continue
            boost, bonus, bid = np.float64(1.0), np.float64(0.0), np.float64(-1.0)
            change = np.uint32(0)
            row = _promo_of(pid, promo_pids, marked)
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
            price, rating = prices[pid], ratings[pid]
            if _comes_first(rule, price, rating, pid, first_rule, first_price, first_rating, first_pid):
                first_pid, first_rule, first_price, first_rating = pid, rule, price, rating
            if sold_out:
                continue
            for kind in range(2):
                if kind == 1 and not (sponsors and bid > 0):
                    continue
                value = rule if kind == 0 else rule * bid
                standing = best_rules[place, 0] if kind == 0 else sponsored[place]
                if best_pids[place, kind] == NO_REASON or _comes_first(
                    value, price, rating, pid,
                    standing, best_prices[place, kind], best_ratings[place, kind], best_pids[place, kind],
                ):  # fmt: skip
                    best_pids[place, kind], best_rules[place, kind] = pid, rule
                    best_prices[place, kind], best_ratings[place, kind] = price, rating
                    best_changes[place, kind] = change
                    best_given[place, kind, 0], best_given[place, kind, 1] = boost, bonus
                    if kind == 1:
                        sponsored[place], best_bids[place] = value, bid
            states[place] = _IN
        if states[place] == _IN and first_pid != best_pids[place, 0]:
            best_changes[place, 0] |= _SWAPPED
    return (
        best_pids, best_rules, best_prices, best_ratings, best_changes, best_given,
        sponsored, best_bids, states, ignored,
    )  # fmt: skip


@numba.njit(cache=True)
def _is_before(one, other, kind, rules, prices, ratings, sponsored, pids):  # type: ignore[no-untyped-def]
    """Whether the place `one` ranks before the place `other`."""
    score = rules[one, 0] if kind == 0 else sponsored[one]
    other_score = rules[other, 0] if kind == 0 else sponsored[other]
    return _comes_first(
        score, prices[one, kind], ratings[one, kind], pids[one, kind],
        other_score, prices[other, kind], ratings[other, kind], pids[other, kind],
    )  # fmt: skip


@numba.njit(cache=True)
def _sift(heap, at, size, kind, rules, prices, ratings, sponsored, pids):  # type: ignore[no-untyped-def]
    while True:
        best = at
        for child in range(2 * at + 1, min(2 * at + 3, size)):
            if _is_before(heap[child], heap[best], kind, rules, prices, ratings, sponsored, pids):
                best = child
        if best == at:
            return
        heap[at], heap[best] = heap[best], heap[at]
        at = best


@numba.njit(cache=True)
def _within_caps(  # type: ignore[no-untyped-def]
    masters, pids, rules, prices, ratings, sponsored, states, sellers, brands, categories,
    seller_cap, brand_cap, category_cap, slots, k,
):  # fmt: skip
    """Places that are taken, in order, and which of them are sponsored slots.

    A heap gives them the best first: the thousandth is never sorted where fifty are wanted.
    """
    inside = np.count_nonzero(states == _IN)
    taken, in_slot = np.empty(min(k, inside), np.int64), np.zeros(min(k, inside), np.bool_)
    used = np.zeros(len(masters), np.bool_)
    heap = np.empty(inside, np.int64)
    dropped = np.zeros(6, np.int32)
    of_sellers, of_brands, of_categories = _counter(k), _counter(k), _counter(k)
    count = 0
    for turn in range(2):
        kind = 1 - turn
        most = min(slots, len(taken)) if kind == 1 else len(taken)
        size = 0
        for place in range(len(masters)):
            if states[place] == _IN and not used[place] and (kind == 0 or (slots > 0 and sponsored[place] >= 0)):
                heap[size] = place
                size += 1
        for at in range(size // 2 - 1, -1, -1):
            _sift(heap, at, size, kind, rules, prices, ratings, sponsored, pids)
        while size and count < most:
            place = heap[0]
            size -= 1
            heap[0] = heap[size]
            _sift(heap, 0, size, kind, rules, prices, ratings, sponsored, pids)
            master = masters[place]
            seller = sellers[pids[place, kind]]
            brand, category = brands[master], categories[master]
            if _full(of_sellers, seller, seller_cap):
                dropped[_SELLER] += kind == 0
            elif _full(of_brands, brand, brand_cap):
                dropped[_BRAND] += kind == 0
            elif _full(of_categories, category, category_cap):
                dropped[_CATEGORY] += kind == 0
            else:
                used[place] = True
                taken[count], in_slot[count] = place, kind == 1
                count += 1
                _add(of_sellers, seller)
                _add(of_brands, brand)
                _add(of_categories, category)
        dropped[_BEYOND] += size if kind == 0 else 0
    return taken[:count], in_slot[:count], dropped


@numba.njit(cache=True)
def _counter(most):  # type: ignore[no-untyped-def]
    """Keys and counts of at most `most` different ids: a table with open addressing."""
    size = 16
    while size < 2 * most:
        size *= 2
    counter = np.zeros((size, 2), np.int64)
    counter[:, 0] = -1
    return counter


@numba.njit(cache=True)
def _row(counter, key):  # type: ignore[no-untyped-def]
    mask = len(counter) - 1
    at = (np.uint32(key) * np.uint32(2_654_435_769)) & mask
    while counter[at, 0] >= 0 and counter[at, 0] != key:
        at = (at + 1) & mask
    return at


@numba.njit(cache=True)
def _full(counter, key, cap):  # type: ignore[no-untyped-def]
    """What has no seller, brand or category is capped by none."""
    return cap > 0 and key != NO_REASON and counter[_row(counter, key), 1] >= cap


@numba.njit(cache=True)
def _add(counter, key):  # type: ignore[no-untyped-def]
    at = _row(counter, key)
    counter[at, 0] = key
    counter[at, 1] += 1
