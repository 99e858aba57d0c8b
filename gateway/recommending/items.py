"""The columns that the ranker answers with, and items made of those that go out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from conch.clients.inference import Array, Arrays
from conch.contracts.identifiers import texts_of
from conch.contracts.provenance import NO_REASON, SOURCES
from conch.contracts.recommendation import Item, Provenance
from conch.recommendation.reasons import change_names, is_master, parts_of, source_names
from conch.stores.ids import Kind
from gateway.recommending.shelf import Shelf, number

OUTPUTS = (
    "pids",
    "pid_uuids",
    "item_masters",
    "item_master_uuids",
    "item_scores",
    "item_sources",
    "item_parts",
    "item_reasons",
    "item_bases",
    "changes",
    "adjustments",
    "prices",
    "dropped",
    "ranker_degraded",
)
"""Of promo_ranker, alone or at the end of `recommend`."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A ranked list, an item a row; the first comes first."""

    pids: Array
    pid_uuids: Array
    masters: Array
    master_uuids: Array
    scores: Array
    prices: Array
    sources: Array
    parts: Array
    """(n, len(SOURCES))."""
    reasons: Array
    bases: Array
    changes: Array
    adjustments: Array
    """(n, 3): boost, flash bonus, bid."""

    @classmethod
    def of(cls, answer: Arrays) -> Self:
        """Of the one row of a call."""
        return cls(
            pids=answer["pids"][0],
            pid_uuids=answer["pid_uuids"][0],
            masters=answer["item_masters"][0],
            master_uuids=answer["item_master_uuids"][0],
            scores=answer["item_scores"][0],
            prices=answer["prices"][0],
            sources=answer["item_sources"][0],
            parts=answer["item_parts"][0],
            reasons=answer["item_reasons"][0],
            bases=answer["item_bases"][0],
            changes=answer["changes"][0],
            adjustments=answer["adjustments"][0],
        )

    def __len__(self) -> int:
        return len(self.pids)

    def items(self, shelf: Shelf, start: int, end: int) -> tuple[Item, ...]:
        """From `start` to before `end`."""
        pids, masters = texts_of(self.pid_uuids[start:end]), texts_of(self.master_uuids[start:end])
        return tuple(
            Item(pid, master, float(self.scores[row]), float(self.prices[row]), self.provenance(shelf, row))
            for row, (pid, master) in enumerate(zip(pids, masters, strict=True), start)
        )

    def provenance(self, shelf: Shelf, row: int) -> Provenance:
        parts = parts_of(self.parts[row].tolist())
        boost, flash_bonus, bid = self.adjustments[row].tolist()
        return Provenance(
            sources=source_names(int(self.sources[row])),
            base=float(self.bases[row]),
            parts=parts,
            **_because(shelf, int(self.masters[row]), int(self.reasons[row]), parts),
            changes=change_names(int(self.changes[row])),
            boost=boost,
            flash_bonus=flash_bonus,
            bid=bid,
        )

    def place_of(self, master: int) -> int:
        """-1 where it is not in the list."""
        places = np.flatnonzero(self.masters == master)
        return int(places[0]) if len(places) else -1


def degraded_of(answer: Arrays, *names: str) -> tuple[str, ...]:
    return tuple(sorted({str(text) for name in names for text in answer[name].reshape(-1)}))


def _because(shelf: Shelf, master: int, reason: int, parts: Mapping[str, float]) -> dict[str, str]:
    if reason == NO_REASON or not parts.keys() & set(SOURCES[:3]):
        return {}
    if is_master(reason, parts, shelf.categories_of(master)):
        return {"because_master": shelf.texts(Kind.MASTERS, number([reason]))[0]}
    return {"because_category": shelf.ids.text(Kind.CATEGORIES, reason)}
