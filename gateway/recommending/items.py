"""A ranked list as the ranker answers with it, and items made of those that go out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from conch.clients.inference import Arrays
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.identifiers import texts_of
from conch.contracts.items import RECORD, Items, items_in
from conch.contracts.recommendation import Item, Provenance
from conch.contracts.summary import Summary
from conch.recommendation.reasons import change_names, gave_most, parts_of, source_names
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
        told = zip(pids, masters, *_because(shelf, rows), RECORD.iter_unpack(rows.tobytes()), strict=True)
        return tuple(_item(*one) for one in told)

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


def _item(pid: str, master: str, because_master: str, because_category: str, record: tuple[Any, ...]) -> Item:
    _, _, _, score, price, changes, boost, flash_bonus, bid, _, base, sources, _, *gave = record
    provenance = Provenance(
        source_names(sources),
        base,
        parts_of(gave),
        because_master,
        because_category,
        change_names(changes),
        boost,
        flash_bonus,
        bid,
    )
    return Item(pid, master, score, price, provenance)


def _because(shelf: Shelf, rows: Items) -> tuple[Sequence[str], Sequence[str]]:
    """Of each item the master that gave most, or the category: one of the two is empty, or both."""
    owners, reasons = rows["master"], rows["reason"]
    masters, categories = gave_most(
        reasons, rows["parts"], lambda both: shelf.catalogue.stand_in(owners[both], reasons[both])
    )
    by_master = dict(zip(masters.tolist(), shelf.texts(Kind.MASTERS, reasons[masters]), strict=True))
    names = [shelf.ids.text(Kind.CATEGORIES, category) for category in reasons[categories].tolist()]
    by_category = dict(zip(categories.tolist(), names, strict=True))
    every = range(len(rows))
    return [by_master.get(row, "") for row in every], [by_category.get(row, "") for row in every]
