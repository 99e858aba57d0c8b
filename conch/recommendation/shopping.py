"""Candidates of a batch from what was read for it, by one kernel: no store and no Triton."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numba
import numpy as np

from conch.contracts.provenance import NO_REASON, SOURCES, Source
from conch.contracts.specs import POOL_WIDTH
from conch.recommendation import interests as about
from conch.recommendation.catalogue import I8, Catalogue
from conch.recommendation.interests import Interests, Profile, joined
from conch.recommendation.merging import F4, U4, Pool, Ranked, add, best, clear, merge, shut_out, workspace

CATEGORY_BEST_SELLERS = "category_best_sellers"
BEST_SELLERS = "best_sellers"

SEMANTIC, CATEGORY, CO_VIEW, POPULAR = range(len(SOURCES))

_SEMANTIC, _LIKED, _CO_VIEWED, _STALE = map(int, (Source.SEMANTIC, Source.CATEGORY_LIKED, Source.CO_VIEW, Source.STALE))


@dataclass(frozen=True, slots=True)
class Related:
    """Relations of one master."""

    masters: U4
    scores: F4
    stale: bool = False
    """Made more than three months ago."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was read for a batch, by viewed master; masters without any are absent."""

    semantic: Mapping[int, Related] = field(default_factory=dict)
    co_view: Mapping[int, Related] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    pool: Pool
    fallback: str
    """Why nothing of it is personal; empty where something is."""


def candidates(
    interests: Interests, known: Known, catalogue: Catalogue, excluded: Sequence[U4], most: Sequence[int]
) -> Sequence[Answer]:
    """At most `most` each. A request about nothing that we know gets what sells best, and says so."""
    count = len(most)
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(most, out=starts[1:])
    rows = np.empty((int(starts[-1]), POOL_WIDTH), np.uint32)
    found, personal = np.zeros(count, np.int64), np.zeros(count, np.uint8)
    sellers = catalogue.tables.best
    _candidates(
        interests.mixes, interests.masters, interests.master_counts, interests.numbers, interests.weights,
        interests.bits, interests.category_counts, *_table(known),
        sellers.starts, sellers.masters, sellers.scores, *joined(excluded), rows, starts, found, personal,
    )  # fmt: skip
    return [
        Answer(Pool(rows[start : start + size]), "" if own else CATEGORY_BEST_SELLERS)
        if size
        else _instead(interests, row, catalogue, excluded[row], most[row])
        for row, (start, size, own) in enumerate(zip(starts.tolist(), found.tolist(), personal.tolist(), strict=False))
    ]


def out(profile: Profile, item: int, excluded: U4) -> U4:
    """Masters that must not come: seen, bought, looked at, and what the caller excludes."""
    looked_at = [np.array([item], np.uint32)] if item != NO_REASON else []
    return np.concatenate([profile.views, profile.bought, excluded, *looked_at])


def _instead(interests: Interests, row: int, catalogue: Catalogue, excluded: U4, most: int) -> Answer:
    """Where all that speaks for masters speaks for none that may come."""
    for category in interests.categories_of(row):
        for ancestor in catalogue.ancestors(category.number):
            wider = Ranked(*catalogue.best_sellers(ancestor), CATEGORY, category.bits, category.weight, ancestor)
            if len(pool := merge([wider], excluded, most)):
                return Answer(pool, CATEGORY_BEST_SELLERS)
    masters, scores = catalogue.popular()
    popular = Ranked(masters, scores, POPULAR, Source.POPULAR, 1.0)
    return Answer(merge([popular], excluded, most), BEST_SELLERS)


def _table(known: Known) -> tuple[U4, F4, I8, U4, U4, I8]:
    """Relations one after the other: ids, scores and bounds, then bits and master of each; those of the same sessions
    begin where the last says. Masters ascend."""
    kinds = [sorted(related.items()) for related in (known.semantic, known.co_view)]
    masters = [master for pairs in kinds for master, _ in pairs]
    relations = [related for pairs in kinds for _, related in pairs]
    ids, starts = joined([related.masters for related in relations])
    scores = np.concatenate([_NO_SCORES, *[related.scores for related in relations]])
    bits = [_SEMANTIC | (_STALE if related.stale else 0) for _, related in kinds[0]]
    bits += [_CO_VIEWED | (_STALE if related.stale else 0) for _, related in kinds[1]]
    begins = np.array([0, len(kinds[0]), len(relations)], np.int64)
    return ids, scores, starts, np.array(bits, np.uint32), np.array(masters, np.uint32), begins


_NO_SCORES = np.zeros(0, np.float32)


@numba.njit(cache=True, nogil=True)
def _found(known, begin, end, master):  # type: ignore[no-untyped-def]
    """Its row, or -1."""
    last = end
    while begin < end:
        middle = (begin + end) // 2
        if known[middle] < master:
            begin = middle + 1
        else:
            end = middle
    return begin if begin < last and known[begin] == master else -1


@numba.njit(cache=True, nogil=True)
def _candidates(  # type: ignore[no-untyped-def]
    mixes, masters, master_counts, numbers, weights, bits, category_counts,
    related, related_scores, related_starts, related_bits, related_masters, related_begins,
    best_starts, sellers, seller_scores, excluded, excluded_starts,
    rows, row_starts, found, personal,
):  # fmt: skip
    related_rows = np.full((2, *masters.shape), -1, np.int32)
    for kind in range(2):
        for row in range(len(found)):
            for at in range(master_counts[row]):
                related_rows[kind, row, at] = _found(related_masters, related_begins[kind], related_begins[kind + 1],
                                                     masters[row, at])  # fmt: skip
    room, longest = 0, 0
    for row in range(len(found)):
        entries, most = _entries(row, mixes, master_counts, numbers, category_counts, related_starts, related_rows,
                                 best_starts)  # fmt: skip
        room = max(room, entries + excluded_starts[row + 1] - excluded_starts[row])
        longest = max(longest, most)
    work = workspace(room)
    gifts = np.empty(longest, np.float64)
    for row in range(len(found)):
        mix = mixes[row]
        entries, _ = _entries(row, mixes, master_counts, numbers, category_counts, related_starts, related_rows,
                              best_starts)  # fmt: skip
        mask = clear(work, entries + excluded_starts[row + 1] - excluded_starts[row])
        count = shut_out(work, mask, excluded, excluded_starts[row], excluded_starts[row + 1])
        whole, lists = 0.0, 0
        for kind in range(2):
            share = mix[about.SEMANTIC] if kind == 0 else mix[about.CO_VIEW]
            for at in range(master_counts[row]):
                if related_rows[kind, row, at] >= 0 and share * mix[about.RECENCY + at] > 0:
                    whole += share * mix[about.RECENCY + at]
                    lists += 1
        of_categories = category_counts[row] if mix[about.CATEGORY] > 0 else 0
        personal[row] = lists > 0
        for at in range(category_counts[row]):
            personal[row] |= (bits[row, at] & _LIKED) != 0
        for at in range(of_categories):
            whole += mix[about.CATEGORY] * weights[row, at]
        number = 0
        for kind in range(2):
            share = mix[about.SEMANTIC] if kind == 0 else mix[about.CO_VIEW]
            for at in range(master_counts[row]):
                here = related_rows[kind, row, at]
                weight = share * mix[about.RECENCY + at]
                if here >= 0 and weight > 0:
                    count = add(
                        work, mask, count, gifts, related, related_scores, related_starts[here],
                        related_starts[here + 1], weight, whole, SEMANTIC if kind == 0 else CO_VIEW,
                        related_bits[here], masters[row, at], number,
                    )  # fmt: skip
                    number += 1
        for at in range(of_categories):
            category = np.int64(numbers[row, at])
            if category + 1 < len(best_starts):
                count = add(
                    work, mask, count, gifts, sellers, seller_scores, best_starts[category], best_starts[category + 1],
                    mix[about.CATEGORY] * weights[row, at], whole, CATEGORY, bits[row, at], numbers[row, at], number,
                )  # fmt: skip
                number += 1
        found[row] = best(work, mask, count, rows, row_starts[row], row_starts[row + 1] - row_starts[row])


@numba.njit(cache=True, nogil=True)
def _entries(row, mixes, master_counts, numbers, category_counts, related_starts, related_rows, best_starts):  # type: ignore[no-untyped-def]
    """Of all lists of a request, and of the longest."""
    entries, most = 0, 0
    for kind in range(2):
        for at in range(master_counts[row]):
            here = related_rows[kind, row, at]
            if here >= 0:
                size = related_starts[here + 1] - related_starts[here]
                entries, most = entries + size, max(most, size)
    for at in range(category_counts[row]):
        category = np.int64(numbers[row, at])
        if category + 1 < len(best_starts):
            size = best_starts[category + 1] - best_starts[category]
            entries, most = entries + size, max(most, size)
    return entries, most
