"""Candidates of one request, from the lists that speak for them: the formula, and the kernel that computes it.

    scaled(L, m) = max(score(L, m), 0) / max(L)                   0 where max(L) is not above 0
    part(s, m)   = Σ over lists L of source s: weight(L) · scaled(L, m) / W
    score(m)     = Σ over sources s: part(s, m)
    weight(L)    = source weight · (recency^i of the i-th last view | weight of the category)
    W            = Σ over all lists: weight(L)

A master that stands in a list more than once counts with its highest score there. Sums are taken in double precision in
the order of the lists and rounded to single at the end; the best come by (-score, id). tests/recommendation/oracle.py
says the same with dicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import NO_REASON, SOURCES

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
F8 = npt.NDArray[np.float64]

_FREE = np.uint32(NO_REASON)


class Ranked(NamedTuple):
    """A list that speaks for masters. A request has fifty: a dataclass takes a microsecond to make, this a quarter."""

    masters: U4
    scores: F4
    source: int
    """Index into SOURCES."""
    bits: int
    """provenance.Source of its members."""
    weight: float
    reason: int = NO_REASON
    """The viewed master, or the category, that it comes from."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Columns of the same length, the best first."""

    masters: U4
    scores: F4
    sources: U4
    parts: F4
    """(n, len(SOURCES))."""
    reasons: U4
    """Of the list that gave most; of equal ones the first."""

    def __len__(self) -> int:
        return len(self.masters)


def merge(lists: Sequence[Ranked], excluded: U4, most: int) -> Pool:
    """The `most` best masters that stand in a list and are not excluded; ids of NO_REASON are passed over."""
    spoken = [ranked for ranked in lists if len(ranked.masters) and ranked.weight > 0]
    if not spoken:
        return Pool(_NONE, np.zeros(0, np.float32), _NONE, np.zeros((0, _WIDTH), np.float32), _NONE)
    masters, scores, sources, bits, weights, reasons = zip(*spoken, strict=True)
    starts = np.zeros(len(spoken) + 1, np.int64)
    np.cumsum([len(some) for some in masters], out=starts[1:])
    words, merged = _merge(
        np.concatenate(masters),
        np.concatenate(scores),
        starts,
        np.array(weights, np.float64),
        np.array(sources, np.int64),
        np.array(bits, np.uint32),
        np.array(reasons, np.uint32),
        float(sum(ranked.weight for ranked in lists)),
        excluded,
    )
    # numpy sorts faster than what numba makes of it, and need not be compiled.
    if most < len(words):
        words = np.partition(words, most - 1)[:most]
    words.sort()
    return Pool(*_gathered(words, *merged))


_NONE = np.zeros(0, np.uint32)
_WIDTH = len(SOURCES)


@numba.njit(cache=True)
def _slot(table, mask, key):  # type: ignore[no-untyped-def]
    """Where `key` stands, or the free place for it. The table is never full."""
    at = (key * np.uint32(2_654_435_769)) & mask
    while table[at] != _FREE and table[at] != key:
        at = (at + 1) & mask
    return at


@numba.njit(cache=True)
def _mask(entries):  # type: ignore[no-untyped-def]
    size = 16
    while size < 2 * entries:
        size *= 2
    return size - 1


@numba.njit(cache=True)
def _set_of(keys):  # type: ignore[no-untyped-def]
    mask = _mask(len(keys))
    table = np.full(mask + 1, _FREE, np.uint32)
    for key in keys:
        if key != _FREE:
            table[_slot(table, mask, key)] = key
    return table


@numba.njit(cache=True)
def _merge(masters, scores, starts, weights, sources, bits, reasons, whole, excluded):  # type: ignore[no-untyped-def]
    out = _set_of(excluded)
    out_mask = len(out) - 1
    mask = _mask(len(masters))
    table = np.full(mask + 1, _FREE, np.uint32)
    places = np.empty(mask + 1, np.int64)
    found = np.empty(len(masters), np.uint32)
    flags = np.zeros(len(masters), np.uint32)
    parts = np.zeros((len(masters), _WIDTH), np.float64)
    most_given = np.full(len(masters), -1.0, np.float64)
    because = np.full(len(masters), _FREE, np.uint32)
    # Of a list that is being read: what each master got from it so far, and in which list that was.
    given = np.zeros(len(masters), np.float64)
    last = np.full(len(masters), -1, np.int64)
    # By entry: the place of its master, or -1.
    place_of = np.full(len(masters), -1, np.int32)
    count = 0
    for number in range(len(weights)):
        highest = np.float64(0.0)
        for at in range(starts[number], starts[number + 1]):
            if scores[at] > highest:
                highest = np.float64(scores[at])
        source = sources[number]
        for at in range(starts[number], starts[number + 1]):
            master = masters[at]
            if master == _FREE or out[_slot(out, out_mask, master)] == master:
                continue
            slot = _slot(table, mask, master)
            if table[slot] == _FREE:
                table[slot] = master
                places[slot] = count
                found[count] = master
                count += 1
            place = places[slot]
            place_of[at] = place
            above = highest > 0.0 and scores[at] > 0.0
            scaled = np.float64(scores[at]) / highest if above else np.float64(0.0)
            gives = weights[number] * scaled / whole
            before = given[place] if last[place] == number else 0.0
            if last[place] != number:
                last[place] = number
                given[place] = 0.0
                flags[place] |= bits[number]
            if gives > before:
                given[place] = gives
        # Added once a list, so that the sum does not depend on where in the list a master stood twice.
        for at in range(starts[number], starts[number + 1]):
            place = place_of[at]
            if place < 0:
                continue
            if given[place] >= 0.0:
                parts[place, source] += given[place]
                if given[place] > most_given[place]:
                    most_given[place] = given[place]
                    because[place] = reasons[number]
                given[place] = -1.0
    # Scores are not negative: their bits, taken as numbers, stand in the same order. In one sortable word with the id.
    totals = np.empty(count, np.float32)
    for place in range(count):
        total = 0.0
        for source in range(_WIDTH):
            total += parts[place, source]
        totals[place] = np.float32(total)
    inverted = np.uint64(0xFFFFFFFF) - totals.view(np.uint32).astype(np.uint64)
    words = (inverted << np.uint64(32)) | found[:count].astype(np.uint64)
    return words, (table, places, totals, flags, parts, because)


@numba.njit(cache=True)
def _gathered(words, table, places, totals, flags, parts, because):  # type: ignore[no-untyped-def]
    size = len(words)
    mask = len(table) - 1
    masters, bits, reasons = np.empty(size, np.uint32), np.empty(size, np.uint32), np.empty(size, np.uint32)
    scores, best_parts = np.empty(size, np.float32), np.empty((size, _WIDTH), np.float32)
    for rank in range(size):
        master = np.uint32(words[rank] & np.uint64(0xFFFFFFFF))
        place = places[_slot(table, mask, master)]
        masters[rank], scores[rank], bits[rank], reasons[rank] = master, totals[place], flags[place], because[place]
        for source in range(_WIDTH):
            best_parts[rank, source] = np.float32(parts[place, source])
    return masters, scores, bits, best_parts, reasons
