"""The best offer of each master: kernels of ranking.py.

Where no promo names an offer of a master, its offers differ by price, rating and id alone: which is the best is known
as long as the snapshot stands (`plain`). Only masters that a promo names (`named`) are looked at offer by offer.
"""

import numba
import numpy as np

from conch.contracts.provenance import NO_REASON, Change

OUT_OF_STOCK, FLASH_SALE = 1, 2
"""Bits of a promo's flags."""

IN, SOLD_OUT, WITHOUT = 0, 1, 2
"""Of masters: with an offer, with none in stock, with none at all."""

_NOBODY = np.uint32(NO_REASON)
_BOOSTED, _FLASH, _EXPIRED = np.uint32(Change.BOOSTED), np.uint32(Change.FLASH_SALE), np.uint32(Change.EXPIRED)
_IGNORED = np.uint32(Change.IGNORED)


@numba.njit(cache=True, nogil=True)
def plain(starts, pids, prices, ratings, stock):  # type: ignore[no-untyped-def]
    """By master, as if there were no promos: its best offer that is in stock, and its best one, in stock or not."""
    found = np.full((len(starts) - 1, 2), _NOBODY, np.uint32)
    for master in range(len(found)):
        for at in range(starts[master], starts[master + 1]):
            pid = pids[at]
            if pid >= len(prices):
                continue
            for kind in range(2):
                other = found[master, kind]
                if (kind == 1 or stock[pid]) and (
                    other == _NOBODY
                    or comes_first(0, prices[pid], ratings[pid], pid, 0, prices[other], ratings[other], other)
                ):
                    found[master, kind] = pid
    return found


@numba.njit(cache=True, nogil=True)
def named(promo_pids, owners, masters):  # type: ignore[no-untyped-def]
    """Bit `master & 7` of byte `master >> 3` is set for each master one of whose offers has a promo."""
    marks = np.zeros((masters + 7) // 8, np.uint8)
    for pid in promo_pids:
        if pid < len(owners) and owners[pid] < masters:
            marks[owners[pid] >> 3] |= np.uint8(1 << (owners[pid] & 7))
    return marks


@numba.njit(cache=True, nogil=True)
def hashed(pids):  # type: ignore[no-untyped-def]
    """Places of these, for `place_of`; -1 where there is none."""
    size = 16
    while size < 2 * len(pids):
        size *= 2
    table = np.full(size, -1, np.int32)
    for place in range(len(pids)):
        at = _slot(pids[place], size)
        while table[at] >= 0:
            at = (at + 1) & (size - 1)
        table[at] = place
    return table


@numba.njit(cache=True)
def place_of(pid, pids, table):  # type: ignore[no-untyped-def]
    """Or -1."""
    at = _slot(pid, len(table))
    while table[at] >= 0 and pids[table[at]] != pid:
        at = (at + 1) & (len(table) - 1)
    return table[at]


@numba.njit(cache=True)
def _slot(pid, size):  # type: ignore[no-untyped-def]
    return np.int64((np.uint32(pid) * np.uint32(2_654_435_769)) >> np.uint32(7)) & (size - 1)


@numba.njit(cache=True)
def comes_first(score, price, rating, pid, other_score, other_price, other_rating, other_pid):  # type: ignore[no-untyped-def]
    if score != other_score:
        return score > other_score
    if price != other_price:
        return price < other_price
    if rating != other_rating:
        return rating > other_rating
    return pid < other_pid


@numba.njit(cache=True)
def effect(row, boosts, bids, expiries, flags, flash_bonus, now_ms):  # type: ignore[no-untyped-def]
    """Of a promo, or of none (-1): boost, bonus, bid (below 0: none) and what it changes."""
    boost, bonus, bid, change = np.float64(1.0), np.float64(0.0), np.float64(-1.0), np.uint32(0)
    if row < 0:
        return boost, bonus, bid, change
    if boosts[row] < 0 or bids[row] < 0:
        change |= _IGNORED
    if expiries[row] != 0 and expiries[row] <= now_ms:
        return boost, bonus, bid, change | _EXPIRED
    if boosts[row] >= 0 and np.isfinite(boosts[row]):
        boost = np.float64(boosts[row])
        change |= _BOOSTED
    if flags[row] & FLASH_SALE:
        bonus = flash_bonus
        change |= _FLASH
    if bids[row] > 0 and np.isfinite(bids[row]):
        bid = np.float64(bids[row])
    return boost, bonus, bid, change


@numba.njit(cache=True, nogil=True)
def choose(  # type: ignore[no-untyped-def]
    masters, scores, starts, offers, prices, ratings, stock, plain_offers, marks,
    promo_pids, table, boosts, bids, expiries, flags, flash_bonus, sponsors, now_ms,
):  # fmt: skip
    """By master: its best offer, the rule score, and whether stock has changed the choice; the best offer that bids,
    with its bid in the score, in a sponsored ranking; the state. And how many fields of promos were ignored."""
    count = len(masters)
    pids, rules, swapped = np.full(count, _NOBODY, np.uint32), np.zeros(count, np.float64), np.zeros(count, np.bool_)
    bidders = np.full(count if sponsors else 0, _NOBODY, np.uint32)
    sponsored = np.full(count if sponsors else 0, -1.0, np.float64)
    states = np.full(count, WITHOUT, np.uint8)
    with_promos, size = np.empty(count, np.int64), 0
    for place in range(count):
        master = np.int64(masters[place])
        if master + 1 >= len(starts):
            continue
        if (marks[master >> 3] >> (master & 7)) & 1:
            with_promos[size] = place
            size += 1
            continue
        pid = plain_offers[master, 0]
        pids[place], rules[place] = pid, np.float64(scores[place])
        if pid != _NOBODY:
            states[place], swapped[place] = IN, pid != plain_offers[master, 1]
        elif starts[master] != starts[master + 1]:
            states[place] = SOLD_OUT
    ignored = 0
    bounds, own_pids, own_prices, own_ratings, in_stock, rows = _gathered(
        masters, with_promos[:size], starts, offers, prices, ratings, stock, promo_pids, table
    )
    for number in range(size):
        place = with_promos[number]
        first, best, bidder = -1, -1, -1
        first_rule = 0.0
        if bounds[number] != bounds[number + 1]:
            states[place] = SOLD_OUT
        for at in range(bounds[number], bounds[number + 1]):
            row, pid = rows[at], own_pids[at]
            if pid >= len(prices):
                continue
            boost, bonus, bid, _ = effect(row, boosts, bids, expiries, flags, flash_bonus, now_ms)
            ignored += (row >= 0 and boosts[row] < 0) + (row >= 0 and bids[row] < 0)
            rule = np.float64(scores[place]) * boost + bonus
            if _is_better(at, rule, first, first_rule, own_prices, own_ratings, own_pids):
                first, first_rule = at, rule
            if not in_stock[at] or (row >= 0 and flags[row] & OUT_OF_STOCK):
                continue
            if _is_better(at, rule, best, rules[place], own_prices, own_ratings, own_pids):
                best, pids[place], rules[place], states[place] = at, pid, rule, IN
            if not sponsors or bid <= 0:
                continue
            if _is_better(at, rule * bid, bidder, sponsored[place], own_prices, own_ratings, own_pids):
                bidder, bidders[place], sponsored[place] = at, pid, rule * bid
        swapped[place] = best >= 0 and first != best
    return pids, rules, swapped, bidders, sponsored, states, ignored


@numba.njit(cache=True)
def _gathered(masters, places, starts, offers, prices, ratings, stock, promo_pids, table):  # type: ignore[no-untyped-def]
    """Offers of these masters, one after the other, with their columns and the rows of their promos.

    They lie anywhere in gigabytes. A pass that only fetches, one column at a time, has the processor wait for ten of
    them at once; a loop that decides as it goes waits for each.
    """
    bounds, shifts = np.zeros(len(places) + 1, np.int64), np.empty(len(places), np.int64)
    for number in range(len(places)):
        master = np.int64(masters[places[number]])
        shifts[number] = starts[master] - bounds[number]
        bounds[number + 1] = bounds[number] + starts[master + 1] - starts[master]
    size = bounds[len(places)]
    pids, rows = np.empty(size, np.uint32), np.empty(size, np.int32)
    own_prices, own_ratings = np.zeros(size, np.float32), np.zeros(size, np.float32)
    in_stock = np.zeros(size, np.bool_)
    for number in range(len(places)):
        for at in range(bounds[number], bounds[number + 1]):
            pids[at] = offers[at + shifts[number]]
    for at in range(size):
        rows[at] = place_of(pids[at], promo_pids, table)
    for at in range(size):
        if pids[at] < len(prices):
            own_prices[at] = prices[pids[at]]
    for at in range(size):
        if pids[at] < len(prices):
            own_ratings[at] = ratings[pids[at]]
    for at in range(size):
        if pids[at] < len(prices):
            in_stock[at] = stock[pids[at]] != 0
    return bounds, pids, own_prices, own_ratings, in_stock, rows


@numba.njit(cache=True)
def _is_better(one, score, other, other_score, prices, ratings, pids):  # type: ignore[no-untyped-def]
    """Of two offers; `other` is below 0 where there is none yet."""
    return other < 0 or comes_first(
        score, prices[one], ratings[one], pids[one], other_score, prices[other], ratings[other], pids[other]
    )
