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
from conch.contracts.specs import POOL_WIDTH

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
F8 = npt.NDArray[np.float64]


class Ranked(NamedTuple):
    """A list that speaks for masters."""

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
    """A row a master, the best first; its columns are views of it."""

    rows: U4
    """(n, POOL_WIDTH), as conch/contracts/specs.py lays them out: floats by their bits."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def masters(self) -> U4:
        return self.rows[:, 0]

    @property
    def scores(self) -> F4:
        return self.rows.view(np.float32)[:, 1]

    @property
    def sources(self) -> U4:
        return self.rows[:, 2]

    @property
    def reasons(self) -> U4:
        """Of the list that gave most; of equal ones the first."""
        return self.rows[:, 3]

    @property
    def parts(self) -> F4:
        """(n, len(SOURCES))."""
        return self.rows.view(np.float32)[:, 4:]


def merge(lists: Sequence[Ranked], excluded: U4, most: int) -> Pool:
    """The `most` best masters that stand in a list and are not excluded; ids of NO_REASON are passed over."""
    spoken = [ranked for ranked in lists if len(ranked.masters) and ranked.weight > 0]
    if not spoken:
        return Pool(np.zeros((0, POOL_WIDTH), np.uint32))
    # In the order of the lists, as the kernel adds: from Python 3.12 on, sum() is more exact than that.
    whole = 0.0
    for ranked in lists:
        whole += ranked.weight
    masters, scores, sources, bits, weights, reasons = zip(*spoken, strict=True)
    starts = np.zeros(len(spoken) + 1, np.int64)
    np.cumsum([len(some) for some in masters], out=starts[1:])
    rows = np.empty((min(most, int(starts[-1])), POOL_WIDTH), np.uint32)
    count = _merged(
        np.concatenate(masters),
        np.concatenate(scores),
        starts,
        np.array(weights, np.float64),
        np.array(sources, np.int64),
        np.array(bits, np.uint32),
        np.array(reasons, np.uint32),
        whole,
        np.concatenate([excluded]),
        rows,
    )
    return Pool(rows[:count])


_WIDTH = len(SOURCES)
_NOBODY = np.uint32(NO_REASON)
_EMPTY, _OUT, _UNLISTED = -1, -2, -1


@numba.njit(cache=True, nogil=True)
def _merged(masters, scores, starts, weights, sources, bits, reasons, whole, excluded, rows):  # type: ignore[no-untyped-def]
    work = workspace(len(masters) + len(excluded))
    gifts = np.empty(len(masters), np.float64)
    mask = clear(work, len(masters) + len(excluded))
    count = shut_out(work, mask, excluded, 0, len(excluded))
    for number in range(len(weights)):
        count = add(
            work, mask, count, gifts, masters, scores, starts[number], starts[number + 1],
            weights[number], whole, sources[number], bits[number], reasons[number], number,
        )  # fmt: skip
    return best(work, mask, count, rows, 0, len(rows))


@numba.njit(cache=True, nogil=True)
def workspace(most):  # type: ignore[no-untyped-def]
    """For requests of at most so many entries, excluded masters among them."""
    size = 16
    while size < 2 * most:
        size *= 2
    return (
        np.empty(size, np.int32),  # table: the place of a master, by its hash
        np.empty(most, np.uint32),  # by place: the master
        np.empty(most, np.uint32),  # bits of its lists
        np.empty(most, np.uint32),  # reason of the list that gave most
        np.empty(most, np.int32),  # the last list that it stood in, or _OUT
        np.empty((most, _WIDTH + 3), np.float64),  # parts, the part before that list, what it gave, the most of any
        np.empty(most, np.uint64),  # sortable words
        np.empty(most, np.uint64),
    )


@numba.njit(cache=True, nogil=True)
def clear(work, entries):  # type: ignore[no-untyped-def]
    """For the next request; the mask of its table, which is never full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    work[0][:size] = _EMPTY
    return np.uint32(size - 1)


@numba.njit(cache=True, nogil=True)
def _slot(table, found, mask, key):  # type: ignore[no-untyped-def]
    """Where the place of `key` stands, or the free place for it."""
    at = (key * np.uint32(2_654_435_769)) & mask
    while table[at] != _EMPTY and found[table[at]] != key:
        at = (at + np.uint32(1)) & mask
    return at


@numba.njit(cache=True, nogil=True)
def shut_out(work, mask, excluded, begin, end):  # type: ignore[no-untyped-def]
    """How many masters the table then has."""
    table, found, last = work[0], work[1], work[4]
    count = 0
    for at in range(begin, end):
        key = excluded[at]
        if key == _NOBODY:
            continue
        slot = _slot(table, found, mask, key)
        if table[slot] == _EMPTY:
            table[slot] = count
            found[count], last[count] = key, _OUT
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def add(  # type: ignore[no-untyped-def]
    work, mask, count, gifts, masters, scores, begin, end, weight, whole, source, bits, reason, number
):
    """A list; `number` rises from list to list. How many masters the table then has."""
    table, found, flags, because, last, sums = work[0], work[1], work[2], work[3], work[4], work[5]
    highest = np.float64(0.0)
    for at in range(begin, end):
        if scores[at] > highest:
            highest = np.float64(scores[at])
    # A loop of its own: without branches the processor divides eight at a time.
    divisor = highest if highest > 0.0 else 1.0
    for at in range(begin, end):
        above = np.float64(scores[at]) if scores[at] > 0.0 else 0.0
        gift = weight * (above / divisor) / whole
        # What is no number, as infinity by infinity, is nothing.
        gifts[at - begin] = gift if gift >= 0.0 else 0.0
    for at in range(begin, end):
        master = masters[at]
        if master == _NOBODY:
            continue
        slot = _slot(table, found, mask, master)
        place = table[slot]
        if place == _EMPTY:
            place = np.int32(count)
            table[slot] = place
            found[place], flags[place], because[place], last[place] = master, 0, _NOBODY, _UNLISTED
            for column in range(_WIDTH):
                sums[place, column] = 0.0
            sums[place, _WIDTH + 2] = -1.0
            count += 1
        elif last[place] == _OUT:
            continue
        gives = gifts[at - begin]
        if last[place] != number:
            last[place] = number
            flags[place] |= bits
            sums[place, _WIDTH], sums[place, _WIDTH + 1] = sums[place, source], gives
        elif gives > sums[place, _WIDTH + 1]:
            sums[place, _WIDTH + 1] = gives
        else:
            continue
        # From what was there before this list, so that the sum does not depend on where in it a master stood twice.
        sums[place, source] = sums[place, _WIDTH] + gives
        if gives > sums[place, _WIDTH + 2]:
            sums[place, _WIDTH + 2] = gives
            because[place] = reason
    return count


@numba.njit(cache=True, nogil=True)
def best(work, mask, count, rows, begin, most):  # type: ignore[no-untyped-def]
    """The `most` best into `rows` from `begin` on; how many there are."""
    table, found, flags, because, last, sums = work[0], work[1], work[2], work[3], work[4], work[5]
    words, other = work[6], work[7]
    totals = np.empty(1, np.float32)
    size = 0
    for place in range(count):
        if last[place] == _OUT:
            continue
        total = 0.0
        for source in range(_WIDTH):
            total += sums[place, source]
        totals[0] = np.float32(total)
        # Scores are not negative: their bits, taken as numbers, stand in the same order. In one word with the id.
        inverted = np.uint64(0xFFFFFFFF) - np.uint64(totals.view(np.uint32)[0])
        words[size] = (inverted << np.uint64(32)) | np.uint64(found[place])
        size += 1
    if size > most:
        size = _cut(words, size, most)
    words = _sorted(words, other, size)
    size = min(size, most)
    floats = rows.view(np.float32)
    for rank in range(size):
        master = np.uint32(words[rank] & np.uint64(0xFFFFFFFF))
        place = table[_slot(table, found, mask, master)]
        row = begin + rank
        rows[row, 0] = master
        rows[row, 1] = np.uint32(0xFFFFFFFF) - np.uint32(words[rank] >> np.uint64(32))
        rows[row, 2], rows[row, 3] = flags[place], because[place]
        for source in range(_WIDTH):
            floats[row, 4 + source] = np.float32(sums[place, source])
    return size


@numba.njit(cache=True, nogil=True)
def _cut(words, size, most):  # type: ignore[no-untyped-def]
    """Leaves the `most` least, and what stands with the last of them in one bucket of twelve bits; how many."""
    counts = np.zeros(4096, np.int64)
    for at in range(size):
        counts[words[at] >> np.uint64(52)] += 1
    below, bucket = counts[0], 0
    while below < most:
        bucket += 1
        below += counts[bucket]
    kept = 0
    for at in range(size):
        if (words[at] >> np.uint64(52)) <= np.uint64(bucket):
            words[kept] = words[at]
            kept += 1
    return kept


@numba.njit(cache=True, nogil=True)
def _sorted(words, other, size):  # type: ignore[no-untyped-def]
    """One of the two arrays, whose first `size` words are in order: by eleven bits at a time, the least first."""
    counts = np.empty(2048, np.int64)
    digit = np.uint64(2047)
    for step in range(6):
        shift = np.uint64(11 * step)
        counts[:] = 0
        for at in range(size):
            counts[(words[at] >> shift) & digit] += 1
        if size == 0 or counts[(words[0] >> shift) & digit] == size:
            continue
        total = 0
        for value in range(2048):
            counts[value], total = total, total + counts[value]
        for at in range(size):
            value = (words[at] >> shift) & digit
            other[counts[value]] = words[at]
            counts[value] += 1
        words, other = other, words
    return words
