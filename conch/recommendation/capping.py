"""The best of ranked masters within caps of sellers, brands and categories: kernels of ranking.py."""

import numba
import numpy as np

from conch.contracts.provenance import DROPPED, NO_REASON

IN, SOLD_OUT, WITHOUT = 0, 1, 2
"""Of masters: with an offer, with none in stock, with none at all."""

_SELLER, _BRAND, _CATEGORY, _BEYOND = (
    DROPPED.index(cause) for cause in ("seller_cap", "brand_cap", "category_cap", "beyond_k")
)


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
def _is_before(one, other, scores, prices, ratings, pids):  # type: ignore[no-untyped-def]
    """Whether the place `one` ranks before the place `other`. Most scores differ, and then nothing else is fetched."""
    if scores[one] != scores[other]:
        return scores[one] > scores[other]
    return comes_first(0, prices[one], ratings[one], pids[one], 0, prices[other], ratings[other], pids[other])


@numba.njit(cache=True)
def _sift(heap, at, size, scores, prices, ratings, pids):  # type: ignore[no-untyped-def]
    moved = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _is_before(heap[child + 1], heap[child], scores, prices, ratings, pids):
            child += 1
        if not _is_before(heap[child], moved, scores, prices, ratings, pids):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


@numba.njit(cache=True)
def within_caps(  # type: ignore[no-untyped-def]
    masters, pids, rules, prices, ratings, sponsored, states, sellers, brands, categories,
    seller_cap, brand_cap, category_cap, slots, k,
):  # fmt: skip
    """Places that are taken, in order, and which of them are sponsored slots.

    A heap gives them the best first: the thousandth is never sorted where fifty are wanted.
    """
    inside = np.count_nonzero(states == IN)
    taken, in_slot = np.empty(min(k, inside), np.int64), np.zeros(min(k, inside), np.bool_)
    used = np.zeros(len(masters), np.bool_)
    heap = np.empty(inside, np.int64)
    dropped = np.zeros(6, np.int32)
    of_sellers, of_brands, of_categories = _counter(k), _counter(k), _counter(k)
    count = 0
    for turn in range(2):
        kind = 1 - turn
        most = min(slots, len(taken)) if kind == 1 else len(taken)
        scores = rules[:, 0].copy() if kind == 0 else sponsored
        own_prices, own_ratings, own_pids = prices[:, kind], ratings[:, kind], pids[:, kind]
        size = 0
        for place in range(len(masters)):
            if states[place] == IN and not used[place] and (kind == 0 or (slots > 0 and sponsored[place] >= 0)):
                heap[size] = place
                size += 1
        for at in range(size // 2 - 1, -1, -1):
            _sift(heap, at, size, scores, own_prices, own_ratings, own_pids)
        while size and count < most:
            place = heap[0]
            size -= 1
            heap[0] = heap[size]
            _sift(heap, 0, size, scores, own_prices, own_ratings, own_pids)
            master = masters[place]
            seller = sellers[own_pids[place]]
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
