"""A ranked list as the ranker answers with it, and items made of those that go out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np

from conch.clients.inference import Arrays
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.identifiers import texts_of
from conch.contracts.items import Items, items_in
from conch.contracts.recommendation import PRICE_DIGITS, Item, Provenance
from conch.contracts.summary import Summary
from conch.recommendation.reasons import Places, change_names, gave_most, parts_of, source_names
from conch.stores.ids import Kind
from gateway.recommending.shelf import Shelf

OUTPUTS = ("items", "summary")
"""Of promo_ranker; `recommend` has no others."""


@dataclass(frozen=True, slots=True, eq=False)
class RankedList:
    rows: Items
    """The first comes first."""

    @classmethod
    def of(cls, answer: Arrays) -> Self:
        """Of the one row of a call."""
        return cls(items_in(answer["items"][0]))

    def __len__(self) -> int:
        return len(self.rows)

    def best(self, most: int) -> "RankedList":
        return RankedList(self.rows[:most])

    def items(self, shelf: Shelf, start: int, end: int) -> tuple[Item, ...]:
        """From `start` to before `end`."""
        rows = self.rows[start:end]
        pids, masters = texts_of(rows["pid_uuid"]), texts_of(rows["master_uuid"])
        prices = rows["price"].astype(np.float64).round(PRICE_DIGITS)
        return tuple(map(Item, pids, masters, rows["score"].tolist(), prices.tolist(), _provenances(shelf, rows)))

    def provenance(self, shelf: Shelf, row: int) -> Provenance:
        (item,) = self.items(shelf, row, row + 1)
        return item.provenance

    def place_of(self, master: int) -> int:
        """-1 where it is not in the list."""
        places = np.flatnonzero(self.rows["master"] == master)
        return int(places[0]) if len(places) else -1


def summary_of(answer: Arrays) -> Summary:
    """Of the one row of a call. Raises Internal: it is a model that wrote it."""
    try:
        return Summary.decode(str(answer["summary"][0, 0]))
    except InvalidRequest as error:
        raise Internal(f"a model's answer cannot be read: {error.message}") from error


def _provenances(shelf: Shelf, rows: Items) -> Iterator[Provenance]:
    return map(
        Provenance,
        map(source_names, rows["sources"].tolist()),
        rows["base"].tolist(),
        map(parts_of, rows["parts"].tolist()),
        *_because(shelf, rows),
        map(change_names, rows["changes"].tolist()),
        *rows["adjustments"].T.tolist(),
    )


def _because(shelf: Shelf, rows: Items) -> tuple[Sequence[str], Sequence[str]]:
    """Of each item the master that gave most, or the category: one of the two is empty, or both."""
    owners, reasons = rows["master"], rows["reason"]
    masters, categories = gave_most(
        reasons, rows["parts"], lambda both: shelf.catalogue.stand_in(owners[both], reasons[both])
    )
    names = [shelf.ids.text(Kind.CATEGORIES, category) for category in reasons[categories].tolist()]
    return _column(len(rows), masters, shelf.texts(Kind.MASTERS, reasons[masters])), _column(
        len(rows), categories, names
    )


def _column(rows: int, places: Places, texts: Sequence[str]) -> Sequence[str]:
    """Empty elsewhere."""
    column = np.full(rows, "", dtype=object)
    column[places] = texts
    return cast(list[str], column.tolist())
