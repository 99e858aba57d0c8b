"""The masters whose titles mean the most alike, by the index of meanings."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from conch.stores.meanings import F4, U4, Bools, Meanings, Near

KEPT = 1_000
"""Of a master."""

AT_ONCE = 64
"""Masters of one search: 64,000 neighbours."""


@dataclass(frozen=True, slots=True)
class Related:
    master: int
    near: Near
    """Without the master itself, and without what is not alike at all."""


def neighbours(
    meanings: Meanings, masters: U4, vectors: F4, offered: Bools, *, kept: int = KEPT, threads: int = 0
) -> Iterator[Related]:
    """In the order of `masters`, whose vectors are the rows; `threads` 0 is every core."""
    for at in range(0, len(masters), AT_ONCE):
        found = meanings.nearest(vectors[at : at + AT_ONCE], kept + 1, offered, threads=threads)
        for master, near in zip(masters[at : at + AT_ONCE].tolist(), found, strict=True):
            others = (near.masters != np.uint32(master)) & (near.similarities > 0)
            yield Related(master, Near(near.masters[others][:kept], near.similarities[others][:kept]))
