"""A ranked list as the ranker answers with it, and items made of those that go out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from conch.clients.inference import Arrays
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.identifiers import texts_of
from conch.contracts.items import RECORD, Items, items_in
from conch.contracts.provenance import NO_REASON, SOURCES
from conch.contracts.recommendation import Item, Provenance
from conch.contracts.summary import Summary
from conch.recommendation.reasons import change_names, is_master, parts_of, source_names
from conch.stores.ids import Kind
from gateway.recommending.shelf import Shelf, number

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

    def items(self, shelf: Shelf, start: int, end: int) -> tuple[Item, ...]:
        """From `start` to before `end`."""
        rows = self.rows[start:end]
        pids, masters = texts_of(rows["pid_uuid"]), texts_of(rows["master_uuid"])
        return tuple(
            Item(pid, master, record[3], record[4], _provenance(shelf, record))
            for pid, master, record in zip(pids, masters, _records(rows), strict=True)
        )

    def provenance(self, shelf: Shelf, row: int) -> Provenance:
        (record,) = _records(self.rows[row : row + 1])
        return _provenance(shelf, record)

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


def _records(rows: Items) -> Iterator[tuple[Any, ...]]:
    return RECORD.iter_unpack(rows.tobytes())


def _provenance(shelf: Shelf, record: tuple[Any, ...]) -> Provenance:
    changes, boost, flash_bonus, bid, master, base, sources, reason, *gave = record[5:]
    parts = parts_of(gave)
    return Provenance(
        sources=source_names(sources),
        base=base,
        parts=parts,
        **_because(shelf, master, reason, parts),
        changes=change_names(changes),
        boost=boost,
        flash_bonus=flash_bonus,
        bid=bid,
    )


def _because(shelf: Shelf, master: int, reason: int, parts: Mapping[str, float]) -> dict[str, str]:
    if reason == NO_REASON or not parts.keys() & set(SOURCES[:3]):
        return {}
    if is_master(reason, parts, shelf.categories_of(master)):
        return {"because_master": shelf.texts(Kind.MASTERS, number([reason]))[0]}
    return {"because_category": shelf.ids.text(Kind.CATEGORIES, reason)}
