"""Categories that are seen together, scaled: what is live, filled up from the weekly batch."""

import numba
import numpy as np

from conch.recommendation.catalogue import I8, Together
from conch.recommendation.merging import F4, U4


def together(live: tuple[I8, U4, F4], weekly: tuple[I8, U4, F4], most: int) -> Together:
    """By category, a category once: all that are live, then those of the weekly batch while there are fewer than
    `most`."""
    room = max(len(live[0]), len(weekly[0])) - 1
    starts = np.zeros(room + 1, np.int64)
    categories = np.empty(len(live[1]) + len(weekly[1]), np.uint32)
    shares = np.empty(len(categories), np.float64)
    size = _filled(*live, *weekly, most, starts, categories, shares)
    return Together(starts, categories[:size], shares[:size])


@numba.njit(cache=True, nogil=True)
def _filled(live_starts, live, live_scores, weekly_starts, weekly, weekly_scores, most, starts, categories, shares):  # type: ignore[no-untyped-def]
    size = 0
    for row in range(len(starts) - 1):
        if row + 1 < len(live_starts):
            size = _row(live, live_scores, live_starts[row], live_starts[row + 1], starts[row], size, -1, categories,
                        shares)  # fmt: skip
        if row + 1 < len(weekly_starts):
            size = _row(weekly, weekly_scores, weekly_starts[row], weekly_starts[row + 1], starts[row], size, most,
                        categories, shares)  # fmt: skip
        starts[row + 1] = size
    return size


@numba.njit(cache=True, nogil=True)
def _row(ids, scores, begin, end, first, size, most, categories, shares):  # type: ignore[no-untyped-def]
    """With most < 0 the last of equal ids counts, and there is no bound; else what stands there stays."""
    highest = np.float64(0.0)
    for at in range(begin, end):
        if scores[at] > highest:
            highest = np.float64(scores[at])
    if highest <= 0:
        return size
    for at in range(begin, end):
        if most >= 0 and size - first >= most:
            break
        place = first
        while place < size and categories[place] != ids[at]:
            place += 1
        if place == size:
            size += 1
        elif most >= 0:
            continue
        above = np.float64(scores[at]) if scores[at] > 0.0 else 0.0
        categories[place], shares[place] = ids[at], above / highest
    return size
