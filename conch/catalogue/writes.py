"""Made-up goods and signals as the stores take them: documented values beside packed ones."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from conch.catalogue.goods import Goods
from conch.catalogue.signals import Events, Ranked
from conch.contracts.features import Columns, Family, Packed, Stamp, pack
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import RECENT_CATEGORIES_TTL_S, CatalogueKeys
from conch.stores.features import Hash, List, Scores, SortedSet, Write
from conch.stores.relations import PackedRow
from conch.stores.snapshot import F4, U4


@dataclass(frozen=True)
class Numbers:
    """Dense ids by row."""

    generation: int
    masters: U4
    pids: U4
    categories: U4
    sellers: U4
    brands: U4


@dataclass(frozen=True)
class Writer:
    """Of one made-up catalogue."""

    keys: CatalogueKeys
    goods: Goods
    categories: Sequence[str]
    numbers: Numbers
    now_ms: int

    @cached_property
    def masters(self) -> list[str]:
        return texts_of(self.goods.uuids)

    @cached_property
    def pids(self) -> list[str]:
        return texts_of(self.goods.pids)

    @cached_property
    def bounds(self) -> list[int]:
        """Offers of row i stand from bounds[i] to bounds[i + 1]."""
        bounds: list[int] = np.searchsorted(self.goods.offered, np.arange(len(self.goods.uuids) + 1)).tolist()
        return bounds

    @cached_property
    def said(self) -> list[str]:
        """Of each offer: price:seller:rating."""
        goods = self.goods
        columns = (goods.price.tolist(), goods.seller.tolist(), goods.rating.tolist())
        return [
            f"{price:.2f}:{goods.sellers[seller]}:{rating:.1f}" for price, seller, rating in zip(*columns, strict=True)
        ]

    def pack(self, family: Family, columns: Columns) -> bytes:
        return pack(Packed(family, columns, self.numbers.generation, Stamp(0, self.now_ms, 0)))

    def offers(self, row: int) -> bytes:
        here = slice(self.bounds[row], self.bounds[row + 1])
        goods, numbers = self.goods, self.numbers
        columns: Columns = {
            "pids": numbers.pids[here],
            "prices": goods.price[here],
            "sellers": numbers.sellers[goods.seller[here]],
            "ratings": goods.rating[here],
        }
        return self.pack(Family.OFFERS, columns)

    def offer_rows(self) -> Iterator[tuple[str, str, str]]:
        """Of `master_to_pids`, by key."""
        for row in self._by_key:
            here = slice(self.bounds[row], self.bounds[row + 1])
            # By hand: json.dumps of a million small lists takes longer than all the rest of them.
            pids = self.pids[here]
            listed = ", ".join([f'"{pid}"' for pid in pids])
            said = ", ".join([f'"{pid}": "{text}"' for pid, text in zip(pids, self.said[here], strict=True)])
            yield self.masters[row], f"[{listed}]", f"{{{said}}}"

    def packed_offers(self) -> Iterator[PackedRow]:
        for row in self._by_key:
            yield PackedRow(self.keys.offers(self.masters[row]), self.offers(row))

    def hot_offers(self, rows: U4) -> Iterator[Write]:
        for row in rows.tolist():
            here = slice(self.bounds[row], self.bounds[row + 1])
            fields = dict(zip(self.pids[here], self.said[here], strict=True))
            yield Write(self.keys.offers(self.masters[row]), self.offers(row), Hash(fields))

    def relations(self, row: int, related: U4, scores: F4) -> tuple[bytes, Scores]:
        """Packed, and as documented."""
        names = [self.masters[other] for other in related.tolist()]
        digits = [round(score, 4) for score in scores.tolist()]
        columns: Columns = {"ids": self.numbers.masters[related], "scores": scores}
        return self.pack(Family.SEMANTIC, columns), dict(zip(names, digits, strict=True))

    def of_categories(
        self, ranked: Ranked, rows: U4, family: Family, key_of: Callable[[str], str]
    ) -> Iterator[tuple[str, Write, Scores]]:
        """Category, write, and its value. `rows`: category of each owner and member that `ranked` names."""
        names = [self.categories[row] for row in rows.tolist()]
        for owner, packed, scores in self._ranked(ranked, family, names, self.numbers.categories[rows]):
            yield names[owner], Write(key_of(names[owner]), packed, SortedSet(scores)), scores

    def best_sellers(self, ranked: Ranked) -> Iterator[Write]:
        for owner, packed, scores in self._ranked(ranked, Family.BEST_SELLERS, self.pids, self.numbers.pids):
            yield Write(self.keys.best_sellers(self.categories[owner]), packed, SortedSet(scores))

    def co_viewed(self, ranked: Ranked) -> Iterator[Write]:
        for owner, packed, scores in self._ranked(ranked, Family.MASTER_CO_VIEW, self.masters, self.numbers.masters):
            yield Write(self.keys.master_co_view(self.masters[owner]), packed, SortedSet(scores))

    def interests(self, ranked: Ranked, rows: U4) -> Iterator[Write]:
        for owner, here in _lists(ranked.owners):
            members, scores = rows[ranked.members[here]], ranked.scores[here]
            columns: Columns = {
                "ids": self.numbers.categories[members],
                "weights": scores,
                "times": np.full(len(scores), self.now_ms),
            }
            value = dict(zip([self.categories[row] for row in members.tolist()], scores.tolist(), strict=True))
            key = self.keys.recent_categories(user_name(owner))
            yield Write(key, self.pack(Family.RECENT_CATEGORIES, columns), SortedSet(value), RECENT_CATEGORIES_TTL_S)

    def views(self, events: Events) -> Iterator[Write]:
        for owner, here in _lists(events.users):
            offers = events.members[here]
            masters = self.numbers.masters[self.goods.offered[offers]]
            packed = self.pack(Family.VIEWS, {"pids": self.numbers.pids[offers], "masters": masters})
            yield Write(
                self.keys.views(user_name(owner)), packed, List([self.pids[offer] for offer in offers.tolist()])
            )

    def bought(self, events: Events, offer_of: U4) -> Iterator[Write]:
        for owner, here in _lists(events.users):
            masters, times = events.members[here], events.at_ms[here]
            packed = self.pack(Family.BOUGHT, {"masters": self.numbers.masters[masters], "times": times})
            names = [self.pids[offer] for offer in offer_of[masters].tolist()]
            # The latest stands first: of a pid that was bought twice it counts.
            scores = dict(reversed(list(zip(names, map(float, times.tolist()), strict=True))))
            yield Write(self.keys.bought(user_name(owner)), packed, SortedSet(scores))

    @cached_property
    def _by_key(self) -> list[int]:
        """Rows in the order of their UUIDs: a table that is filled in the order of its keys only grows at its end."""
        order: list[int] = np.argsort(np.array(self.masters), kind="stable").tolist()
        return order

    def _ranked(
        self, ranked: Ranked, family: Family, names: Sequence[str], numbers: U4
    ) -> Iterator[tuple[int, bytes, Scores]]:
        """Of each owner: packed, and as documented."""
        for owner, here in _lists(ranked.owners):
            members, scores = ranked.members[here], ranked.scores[here]
            packed = self.pack(family, {"ids": numbers[members], "scores": scores})
            yield owner, packed, dict(zip([names[member] for member in members.tolist()], scores.tolist(), strict=True))


def user_name(row: int) -> str:
    return f"user-{row}"


def as_json(scores: Scores) -> str:
    return json.dumps(dict(scores))


def _lists(owners: npt.NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    begins = np.flatnonzero(np.diff(owners, prepend=-1) != 0)
    for owner, start, end in zip(
        owners[begins].tolist(), begins.tolist(), [*begins.tolist()[1:], len(owners)], strict=True
    ):
        yield owner, slice(start, end)
