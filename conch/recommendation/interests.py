"""What a request is about: viewed masters and categories, each with a weight and with how it came in.

    i-th of the distinct last views (an item that is looked at is the first)     recency^i
    category that is named                                                       category_viewed
    category of the i-th view                                                    category_viewed · recency^i
    category that is seen with one of those                                      category_co_viewed · its weight · share
    category that the user has liked lately                                      category_liked · weight / highest

A category that comes in more than once has the highest of its weights; the heaviest are looked at, ties by id. A kernel
does a whole batch at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import NO_REASON, Source
from conch.recommendation.catalogue import I8, Tables
from conch.recommendation.merging import F4, F8, U4
from conch.recommendation.scenarios import CATEGORIES_MOST, VIEWS_MOST, Mix

HOUR_MS = 3_600_000


def _nothing(kind: npt.DTypeLike) -> Callable[[], npt.NDArray[Any]]:
    return lambda: np.zeros(0, kind)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the hot store knows of a user."""

    views: U4 = field(default_factory=_nothing(np.uint32))
    """Masters, the last view first."""
    liked: U4 = field(default_factory=_nothing(np.uint32))
    """Categories."""
    liked_weights: F4 = field(default_factory=_nothing(np.float32))
    liked_times: npt.NDArray[np.int64] = field(default_factory=_nothing(np.int64))
    """Epoch ms of each weight."""
    bought: U4 = field(default_factory=_nothing(np.uint32))
    """Masters."""


COLD = Profile()


@dataclass(frozen=True, slots=True)
class About:
    """A request, as the rules see it."""

    profile: Profile
    mix: Mix
    item: int = NO_REASON
    """A master."""
    category: int = NO_REASON


class Category(NamedTuple):
    number: int
    weight: float
    bits: int
    """provenance.Source."""


@dataclass(frozen=True, slots=True)
class Interests:
    """Of a batch, a row a request."""

    masters: U4
    """(n, VIEWS_MOST + 1), distinct; the i-th weighs recency^i."""
    master_counts: I8
    numbers: U4
    """(n, CATEGORIES_MOST) categories, the heaviest first."""
    weights: F8
    bits: U4
    """provenance.Source."""
    category_counts: I8
    mixes: F8
    """Of each request, as `numbers_of` lays them out."""

    def masters_of(self, row: int) -> Sequence[tuple[int, float]]:
        """With their recency weights."""
        known = self.masters[row, : self.master_counts[row]].tolist()
        return list(zip(known, self.mixes[row, RECENCY:].tolist(), strict=False))

    def masters_by(self, column: int) -> Sequence[int]:
        """Distinct, of all requests whose mixes give that source a weight."""
        rows = zip(self.masters.tolist(), self.master_counts.tolist(), self.mixes[:, column].tolist(), strict=True)
        return list(dict.fromkeys([master for row, count, weight in rows if weight > 0 for master in row[:count]]))

    def categories_of(self, row: int) -> Sequence[Category]:
        here = slice(int(self.category_counts[row]))
        columns = (self.numbers[row, here].tolist(), self.weights[row, here].tolist(), self.bits[row, here].tolist())
        return [Category(*one) for one in zip(*columns, strict=True)]


SEMANTIC, CATEGORY, CO_VIEW, VIEWED, CO_VIEWED, LIKED, VIEWS, CATEGORIES, LIVE, RECENCY = range(10)
"""Columns of a mix's numbers; from RECENCY on recency^0, recency^1 and so on."""


@lru_cache(maxsize=1_000)
def numbers_of(mix: Mix) -> F8:
    return np.array(
        [
            mix.semantic, mix.category, mix.co_view, mix.category_viewed, mix.category_co_viewed, mix.category_liked,
            mix.views, mix.categories, mix.live_co_view, *(mix.recency**i for i in range(VIEWS_MOST + 1)),
        ],
        np.float64,
    )  # fmt: skip


def interests(asked: Sequence[About], tables: Tables, now_ms: int) -> Interests:
    count, masters = len(asked), VIEWS_MOST + 1
    found = Interests(
        np.empty((count, masters), np.uint32),
        np.zeros(count, np.int64),
        np.empty((count, CATEGORIES_MOST), np.uint32),
        np.empty((count, CATEGORIES_MOST), np.float64),
        np.empty((count, CATEGORIES_MOST), np.uint32),
        np.zeros(count, np.int64),
        np.array([numbers_of(about.mix) for about in asked]).reshape(count, RECENCY + masters),
    )
    views, view_starts = joined([about.profile.views for about in asked])
    liked, liked_starts = joined([about.profile.liked for about in asked])
    weights = np.concatenate([_NO_WEIGHTS, *(_liked(about, now_ms) for about in asked)])
    live, weekly = tables.live, tables.weekly
    # As many categories as there can be: of views, with all that are seen with each, and those that are liked.
    room = (
        2 + (1 + masters) * (1 + tables.together_most) + max((len(about.profile.liked) for about in asked), default=0)
    )
    _interests(
        views, view_starts, liked, liked_starts, weights,
        np.array([(about.item, about.category) for about in asked], np.uint32).reshape(count, 2), found.mixes,
        tables.leaves, live.starts, live.categories, live.shares, weekly.starts, weekly.categories, weekly.shares,
        found.masters, found.master_counts, found.numbers, found.weights, found.bits, found.category_counts, room,
    )  # fmt: skip
    return found


_NO_WEIGHTS = np.zeros(0, np.float64)
_NO_IDS = np.zeros(0, np.uint32)


def joined(arrays: Sequence[U4]) -> tuple[U4, I8]:
    """One after the other, and their bounds."""
    starts = np.array([0, *accumulate(map(len, arrays))], np.int64)
    return np.concatenate([_NO_IDS, *arrays]), starts


def _liked(about: About, now_ms: int) -> npt.NDArray[Any]:
    profile, half_life_h = about.profile, about.mix.half_life_h
    if half_life_h <= 0:
        return profile.liked_weights
    age_ms = np.maximum(now_ms - profile.liked_times, 0)
    return profile.liked_weights.astype(np.float64) * 0.5 ** (age_ms / (half_life_h * HOUR_MS))


_NOBODY = np.uint32(NO_REASON)
_BIT_VIEWED, _BIT_CO_VIEWED, _BIT_LIKED = (
    np.uint32(bit) for bit in (Source.CATEGORY_VIEWED, Source.CATEGORY_CO_VIEWED, Source.CATEGORY_LIKED)
)


@numba.njit(cache=True, nogil=True)
def _interests(  # type: ignore[no-untyped-def]
    views, view_starts, liked, liked_starts, liked_weights, named, mixes,
    leaves, live_starts, live_ids, live_shares, weekly_starts, weekly_ids, weekly_shares,
    masters, master_counts, numbers, weights, bits, category_counts, room,
):  # fmt: skip
    size = 16
    while size < 2 * room:
        size *= 2
    # Open addressing by category: its place in the columns behind.
    table = np.empty(size, np.int32)
    ids, heights, ways = np.empty(room, np.uint32), np.empty(room, np.float64), np.empty(room, np.uint32)
    for row in range(len(named)):
        mix, item = mixes[row], named[row, 0]
        most = np.int64(mix[VIEWS]) + (item != _NOBODY)
        known = _distinct(masters[row], most, item, views, view_starts[row], view_starts[row + 1])
        master_counts[row] = known
        table[:] = -1
        count = _take(table, ids, heights, ways, 0, named[row, 1], mix[VIEWED], _BIT_VIEWED)
        for at in range(known):
            master = masters[row, at]
            if master < len(leaves):
                weight = mix[VIEWED] * mix[RECENCY + at]
                count = _take(table, ids, heights, ways, count, leaves[master], weight, _BIT_VIEWED)
        # As they weigh before anything else: what is seen with a category goes by how it was viewed.
        viewed = count
        viewed_heights = heights[:viewed].copy()
        highest = 0.0
        for at in range(liked_starts[row], liked_starts[row + 1]):
            if liked_weights[at] > highest:
                highest = liked_weights[at]
        if highest > 0:
            for at in range(liked_starts[row], liked_starts[row + 1]):
                above = liked_weights[at] if liked_weights[at] > 0.0 else 0.0
                weight = mix[LIKED] * (above / highest)
                count = _take(table, ids, heights, ways, count, liked[at], weight, _BIT_LIKED)
        starts, others, shares = live_starts, live_ids, live_shares
        if mix[LIVE] == 0:
            starts, others, shares = weekly_starts, weekly_ids, weekly_shares
        for place in range(viewed):
            category = np.int64(ids[place])
            if category + 1 < len(starts):
                share_of = mix[CO_VIEWED] * viewed_heights[place]
                for at in range(starts[category], starts[category + 1]):
                    weight = share_of * shares[at]
                    count = _take(table, ids, heights, ways, count, others[at], weight, _BIT_CO_VIEWED)
        category_counts[row] = _heaviest(ids, heights, ways, count, numbers[row], weights[row], bits[row],
                                         np.int64(mix[CATEGORIES]))  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _distinct(masters, most, item, views, begin, end):  # type: ignore[no-untyped-def]
    known = 0
    if item != _NOBODY and most > 0:
        masters[0] = item
        known = 1
    for at in range(begin, end):
        if known >= most:
            break
        view = views[at]
        fresh = view != _NOBODY
        for other in range(known):
            fresh = fresh and masters[other] != view
        if fresh:
            masters[known] = view
            known += 1
    return known


@numba.njit(cache=True, nogil=True)
def _take(table, ids, heights, ways, count, number, weight, how):  # type: ignore[no-untyped-def]
    """How many categories there are then."""
    if number == _NOBODY or not weight > 0:
        return count
    mask = np.uint32(len(table) - 1)
    at = (number * np.uint32(2_654_435_769)) & mask
    while table[at] >= 0 and ids[table[at]] != number:
        at = (at + np.uint32(1)) & mask
    place = table[at]
    if place < 0:
        place = np.int32(count)
        table[at] = place
        ids[place], heights[place], ways[place] = number, 0.0, 0
        count += 1
    heights[place] = max(heights[place], weight)
    ways[place] |= how
    return count


@numba.njit(cache=True, nogil=True)
def _heaviest(ids, heights, ways, count, numbers, weights, bits, most):  # type: ignore[no-untyped-def]
    """Sorted as they go in: most are lighter than all that stand there."""
    kept = 0
    for place in range(count):
        weight, number = heights[place], ids[place]
        if kept == most and (kept == 0 or not _before(weight, number, weights[kept - 1], numbers[kept - 1])):
            continue
        at = kept if kept < most else kept - 1
        while at > 0 and _before(weight, number, weights[at - 1], numbers[at - 1]):
            weights[at], numbers[at], bits[at] = weights[at - 1], numbers[at - 1], bits[at - 1]
            at -= 1
        weights[at], numbers[at], bits[at] = weight, number, ways[place]
        kept = min(kept + 1, most)
    return kept


@numba.njit(cache=True, nogil=True)
def _before(weight, number, other_weight, other_number):  # type: ignore[no-untyped-def]
    return weight > other_weight or (weight == other_weight and number < other_number)
