"""What a catalogue says of its goods, by dense id: the columns of a snapshot that an import alone changes."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from conch.contracts.keys import BEST_SELLERS_KEPT
from conch.contracts.provenance import NO_REASON
from conch.stores.snapshot import F4, U1, U4, Columns, csr, empty


@dataclass(frozen=True, slots=True)
class Wares:
    """NO_REASON for a master without a category or brand, and for a pid that belongs to no master any more."""

    master_category: U4
    master_brand: U4
    pid_master: U4
    pid_price: F4
    pid_seller: U4
    pid_rating: F4
    pid_stock: U1
    category_parent: U4


def columns_of(wares: Wares) -> Columns:
    """With nothing yet that sells, is seen together or related."""
    masters, categories = len(wares.master_category), len(wares.category_parent)
    offered = np.flatnonzero(wares.pid_master != NO_REASON).astype(np.uint32)
    starts, (pids,) = csr(masters, wares.pid_master[offered], offered)
    none = np.zeros(categories + 1, np.int64)
    return replace(
        empty(),
        master_category=wares.master_category,
        master_brand=wares.master_brand,
        offer_starts=starts,
        offer_pids=pids,
        pid_master=wares.pid_master,
        pid_price=wares.pid_price,
        pid_seller=wares.pid_seller,
        pid_rating=wares.pid_rating,
        pid_stock=wares.pid_stock,
        category_parent=wares.category_parent,
        best_starts=none,
        co_view_starts=none,
        related_starts=none,
    )


def lineages(category_parent: U4) -> npt.NDArray[np.uint32]:
    """(categories, depth): each with its ancestors, NO_REASON after the root."""
    levels = [np.arange(len(category_parent), dtype=np.uint32)]
    while True:
        above = np.full(len(category_parent), NO_REASON, np.uint32)
        known = levels[-1] != NO_REASON
        above[known] = category_parent[levels[-1][known]]
        if (above == NO_REASON).all():
            return np.stack(levels, axis=1)
        levels.append(above)


def best_rated(columns: Columns, most: int = BEST_SELLERS_KEPT) -> tuple[U4, U4]:
    """(categories, pids) in stock, the best rated of each category first, ties by id: where nothing has sold yet."""
    pids = np.flatnonzero((columns.pid_stock == 1) & (columns.pid_master != NO_REASON)).astype(np.uint32)
    leaves = columns.master_category[columns.pid_master[pids]]
    pids, leaves = pids[leaves != NO_REASON], leaves[leaves != NO_REASON]
    # The best of each leaf alone can be among the best of what stands above it.
    leaves, pids = _heads(leaves, columns.pid_rating[pids], pids, most)
    table = lineages(columns.category_parent)
    categories = table[leaves].ravel()
    pids = np.repeat(pids, table.shape[1])
    known = categories != NO_REASON
    return _heads(categories[known], columns.pid_rating[pids[known]], pids[known], most)


def _heads(groups: U4, scores: F4, pids: U4, most: int) -> tuple[U4, U4]:
    order = np.lexsort((pids, -scores, groups))
    groups, pids = groups[order], pids[order]
    begins = np.flatnonzero(np.diff(groups, prepend=np.uint32(NO_REASON)) != 0)
    rank = np.arange(len(groups)) - np.repeat(begins, np.diff(begins, append=len(groups)))
    return groups[rank < most], pids[rank < most]
