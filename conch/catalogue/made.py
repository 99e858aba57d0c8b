"""What is asked for when a catalogue is made up, and what comes of it before anything has an id."""

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from conch.catalogue.goods import Goods, goods_for
from conch.catalogue.sessions import Views, views_of
from conch.catalogue.signals import DAY_MS
from conch.catalogue.tree import Tree, tree_for
from conch.contracts.errors import InvalidRequest
from conch.stores.snapshot import U4

LEAST, MOST = 100, 10_000_000
"""Masters."""

OLDEST_DAYS = 7
"""Ago: when a hot master that nobody views was seen last."""


@dataclass(frozen=True, slots=True)
class Order:
    masters: int
    seed: int = 0
    users: int = 0
    """0: one for ten masters, at least 500."""
    hot: int = 0
    """Masters whose offers and relations stand in Redis; 0: one in ten, at least 2,000."""
    related: int = 0
    """Relations of a hot master; 0: none are made."""

    def checked(self) -> Self:
        if not LEAST <= self.masters <= MOST:
            raise InvalidRequest(f"{self.masters} masters are asked for, it must be {LEAST} to {MOST}")
        for name in ("seed", "users", "hot", "related"):
            if getattr(self, name) < 0:
                raise InvalidRequest(f"{name} is {getattr(self, name)}, it must be 0 or more")
        users, hot = self.users or max(self.masters // 10, 500), self.hot or max(self.masters // 10, 2_000)
        return type(self)(self.masters, self.seed, users, min(hot, self.masters), self.related)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items())


@dataclass(frozen=True, slots=True)
class Made:
    """Everything by row."""

    tree: Tree
    goods: Goods
    views: Views
    now_ms: int


def make(order: Order, now_ms: int) -> Made:
    """Of a checked order. The same order and time make the same."""
    tree = tree_for(order.masters, np.random.default_rng([order.seed, 1]))
    goods = goods_for(order.masters, tree, np.random.default_rng([order.seed, 2]))
    views = views_of(order.users, goods, tree, now_ms, np.random.default_rng([order.seed, 3]))
    return Made(tree, goods, views, now_ms)


def hot_masters(made: Made, most: int) -> tuple[U4, npt.NDArray[np.int64]]:
    """Those that are viewed most, then the most popular, ties by row; and when each was seen last, in epoch ms."""
    masters = len(made.goods.uuids)
    seen = np.bincount(made.views.master, minlength=masters)
    rows = np.lexsort((np.arange(masters), -made.goods.popularity, -seen))[:most].astype(np.uint32)
    last = np.full(masters, made.now_ms - OLDEST_DAYS * DAY_MS)
    np.maximum.at(last, made.views.master, made.views.at_ms)
    return rows, last[rows]
