"""The best of ranked masters within caps of sellers, brands and categories: kernels of ranking.py."""

import numba
import numpy as np

from conch.contracts.provenance import DROPPED, NO_REASON
from conch.recommendation.choosing import IN, comes_first

_SELLER, _BRAND, _CATEGORY, _BEYOND = (
    DROPPED.index(cause) for cause in ("seller_cap", "brand_cap", "category_cap", "beyond_k")
)


@numba.njit(cache=True)
def _is_before(one, other, scores, pids, prices, ratings):  # type: ignore[no-untyped-def]
    """Whether the place `one` ranks before the place `other`. Most scores differ, and then nothing else is fetched."""
    if scores[one] != scores[other]:
        return scores[one] > scores[other]
    pid, rival = pids[one], pids[other]
    return comes_first(0, prices[pid], ratings[pid], pid, 0, prices[rival], ratings[rival], rival)


@numba.njit(cache=True)
def _sift(heap, at, size, scores, pids, prices, ratings):  # type: ignore[no-untyped-def]
    moved = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _is_before(heap[child + 1], heap[child], scores, pids, prices, ratings):
            child += 1
        if not _is_before(heap[child], moved, scores, pids, prices, ratings):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


@numba.njit(cache=True)
def _heaped(heap, among, low, high, scores, pids, prices, ratings):  # type: ignore[no-untyped-def]
    """Fills it with those whose scores are from `low` to below `high`; how many."""
    size = 0
    for place in among:
        if low <= scores[place] < high:
            heap[size] = place
            size += 1
    for at in range(size // 2 - 1, -1, -1):
        _sift(heap, at, size, scores, pids, prices, ratings)
    return size


@numba.njit(cache=True)
def _few(among, scores, most):  # type: ignore[no-untyped-def]
    """A score that some of them reach, `most` at least. Few, where they come nearly in order."""
    least = np.inf
    for place in among[: 4 * most]:
        least = min(least, scores[place])
    return least


@numba.njit(cache=True, nogil=True)
def within_caps(  # type: ignore[no-untyped-def]
    masters, pids, rules, bidders, sponsored, states, prices, ratings, sellers, brands, categories,
    seller_cap, brand_cap, category_cap, slots, k,
):  # fmt: skip
    """Places that are taken, in order, which of them are sponsored slots, and what was dropped.

    A heap gives them the best first, and has those alone that can be: the thousandth is never looked at where fifty are
    wanted, unless caps pass over the others.
    """
    inside = np.flatnonzero(states == IN)
    taken, in_slot = np.empty(min(k, len(inside)), np.int64), np.zeros(min(k, len(inside)), np.bool_)
    used = np.zeros(len(masters), np.bool_)
    heap = np.empty(len(inside), np.int64)
    dropped = np.zeros(6, np.int32)
    of_sellers, of_brands, of_categories = _counter(k), _counter(k), _counter(k)
    count = 0
    for turn in range(2):
        bids = turn == 0
        if bids and (slots == 0 or len(bidders) == 0):
            continue
        most = min(slots, len(taken)) if bids else len(taken)
        scores, own = (sponsored, bidders) if bids else (rules, pids)
        among = inside[sponsored[inside] >= 0] if bids else inside[~used[inside]]
        left = len(among)
        enough = _few(among, scores, most)
        size = _heaped(heap, among, enough, np.inf, scores, own, prices, ratings)
        while left and count < most:
            if size == 0:
                size = _heaped(heap, among, -np.inf, enough, scores, own, prices, ratings)
            place = heap[0]
            size, left = size - 1, left - 1
            heap[0] = heap[size]
            _sift(heap, 0, size, scores, own, prices, ratings)
            master = masters[place]
            seller = sellers[own[place]]
            brand, category = brands[master], categories[master]
            if _full(of_sellers, seller, seller_cap):
                dropped[_SELLER] += not bids
            elif _full(of_brands, brand, brand_cap):
                dropped[_BRAND] += not bids
            elif _full(of_categories, category, category_cap):
                dropped[_CATEGORY] += not bids
            else:
                used[place] = True
                taken[count], in_slot[count] = place, bids
                count += 1
                _add(of_sellers, seller)
                _add(of_brands, brand)
                _add(of_categories, category)
        dropped[_BEYOND] += 0 if bids else left
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
