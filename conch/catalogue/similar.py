"""Made-up semantic relations: the nearest in meaning among the goods of the same category, exactly."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from conch.catalogue.goods import Goods
from conch.stores.snapshot import F4, U4

BLOCK = 512
"""Masters whose similarities stand in memory at once."""

DIGITS = 4


def similar(goods: Goods, groups: npt.NDArray[np.int64], hot: U4, most: int) -> Iterator[tuple[int, U4, F4]]:
    """Each of `hot` with at most `most` others of its group by (-score, row). `groups`: by master."""
    order = np.argsort(groups, kind="stable")
    bounds = np.searchsorted(groups[order], np.arange(groups.max() + 2))
    for group in np.unique(groups[hot]):
        members = order[bounds[group] : bounds[group + 1]]
        wanted = hot[groups[hot] == group]
        for at in range(0, len(wanted), BLOCK):
            yield from _nearest(goods.meaning, wanted[at : at + BLOCK], members, most)


def groups_of(leaf: U4, leaves_an_aisle: int, most: int) -> npt.NDArray[np.int64]:
    """The shelf of each master where it holds enough; shelves that do not are looked at with those of their aisle."""
    sizes = np.bincount(leaf)
    aisle = leaf.astype(np.int64) // leaves_an_aisle
    return np.where(sizes[leaf] > 2 * most, leaf.astype(np.int64), len(sizes) + aisle)


def _nearest(meaning: F4, wanted: U4, members: npt.NDArray[np.int64], most: int) -> Iterator[tuple[int, U4, F4]]:
    # Rounded as they are written down, so that both forms of a relation say the same.
    scores = np.round(meaning[wanted] @ meaning[members].T, DIGITS)  # (wanted, members)
    scores[members[None, :] == wanted[:, None]] = -np.inf
    kept = min(most, len(members) - 1)
    if kept < 1:
        return
    # A partition alone breaks ties as it likes: what stands at the cut is sorted with the rest.
    cuts = np.partition(scores, len(members) - kept, axis=1)[:, len(members) - kept]
    for row, cut, own in zip(wanted.tolist(), cuts, scores, strict=True):
        above = np.flatnonzero(own >= cut)
        best = above[np.lexsort((members[above], -own[above]))[:kept]]
        yield row, members[best].astype(np.uint32), own[best].astype(np.float32)
