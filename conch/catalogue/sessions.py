"""Made-up shoppers: each prefers a few categories, and in a session goes from one to those that are its neighbours."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conch.catalogue.goods import Goods
from conch.catalogue.tree import Tree
from conch.stores.snapshot import U4

PREFERRED = 3
"""Shelves that a shopper prefers, the first most."""

HOUR_MS = 3_600_000
MEAN_AGE_H = 18.0
"""Of a session."""
OLDEST_H = 7 * 24.0
VIEW_MS = 40_000
BUYS = 0.08
"""Of the views."""

I8 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Views:
    """Rows are views, in the order of their time. Masters, offers and leaves are named by their rows."""

    user: I8
    session: I8
    master: U4
    offer: U4
    leaf: U4
    at_ms: I8
    bought: npt.NDArray[np.bool_]


def views_of(users: int, goods: Goods, tree: Tree, now_ms: int, random: np.random.Generator) -> Views:
    leaves = len(tree.leaves)
    sizes = np.bincount(goods.leaf, goods.popularity, leaves)
    liked = random.choice(leaves, (users, PREFERRED), p=sizes / sizes.sum())
    per_user = 1 + random.poisson(3, users)
    owner = np.repeat(np.arange(users), per_user)
    base = liked[owner, np.minimum(random.geometric(0.6, len(owner)) - 1, PREFERRED - 1)]
    age_ms = np.minimum(random.exponential(MEAN_AGE_H, len(owner)), OLDEST_H) * HOUR_MS
    lengths = 2 + random.poisson(4, len(owner))
    session = np.repeat(np.arange(len(owner)), lengths)
    step = np.arange(len(session)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at_ms = np.minimum(now_ms - age_ms[session].astype(np.int64) + step * VIEW_MS, now_ms - 1)
    leaf = _wandering(base[session], tree, random)
    master = _masters_on(leaf, goods, leaves, random)
    order = np.lexsort((session, at_ms))
    return Views(
        user=owner[session][order],
        session=session[order],
        master=master[order],
        offer=first_offers(goods)[master[order]],
        leaf=goods.leaf[master[order]],
        at_ms=at_ms[order],
        bought=random.random(len(session)) < BUYS,
    )


def first_offers(goods: Goods) -> U4:
    """By master: what its page shows, the cheapest in stock; the cheapest where none is."""
    order = np.lexsort((goods.price, goods.stock == 0, goods.offered))
    begins = np.flatnonzero(np.diff(goods.offered[order], prepend=np.uint32(2**32 - 1)) != 0)
    first: U4 = order[begins].astype(np.uint32)
    return first


def _wandering(base: npt.NDArray[np.int64], tree: Tree, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Most views stay, a third goes to the neighbours, the first of them most."""
    choice = np.minimum(random.geometric(0.4, len(base)) - 1, tree.neighbours.shape[1] - 1)
    away = random.random(len(base)) < 0.35
    return np.where(away, tree.neighbours[base, choice], base)


def _masters_on(leaf: npt.NDArray[np.int64], goods: Goods, leaves: int, random: np.random.Generator) -> U4:
    """One of each leaf, by popularity."""
    order = np.argsort(goods.leaf, kind="stable")
    upto = np.concatenate([[0.0], np.cumsum(goods.popularity[order])])
    bounds = np.searchsorted(goods.leaf[order], np.arange(leaves + 1))
    low, high = upto[bounds[leaf]], upto[bounds[leaf + 1]]
    place = np.searchsorted(upto, low + random.random(len(leaf)) * (high - low), side="right") - 1
    # A rounding must not lead to the next leaf.
    masters: U4 = order[np.clip(place, bounds[leaf], bounds[leaf + 1] - 1)].astype(np.uint32)
    return masters
