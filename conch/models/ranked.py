"""What a request's masters were ranked to, and the outputs that are made of it: those that are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby, pairwise

import numpy as np
from msgspec.structs import replace

from conch.contracts.items import ITEM, Bytes, bytes_of
from conch.contracts.provenance import DROPPED
from conch.contracts.summary import Summary
from conch.models.base import Arrays, Row, strings
from conch.models.shop import Shop
from conch.recommendation.merging import Pool
from conch.recommendation.ranking import Items
from conch.stores.ids import Kind

_CANDIDATE = ITEM.fields["master"][1] // 4  # type: ignore[index]
"""Where an item's row of the pool begins, in words of four bytes."""


@dataclass(frozen=True, slots=True)
class Ranked:
    row: Row
    shop: Shop
    items: Items
    candidates: Pool
    """Of each item its row of what came in."""
    told: Summary
    """What came in; it names the widget and the variant that were ranked for."""
    degraded: Sequence[str]
    """While it was ranked."""

    def arrays(self, records: Callable[[], Bytes]) -> Arrays:
        """`records` makes its items as they leave."""
        items, candidates, ids = self.items, self.candidates, self.shop.ids
        return self.row.answer(
            {
                "items": records,
                "summary": lambda: strings([self._summary().encode()]),
                "pids": lambda: items.pids,
                "pid_uuids": lambda: ids.uuids(Kind.PIDS, items.pids),
                "item_masters": lambda: candidates.masters,
                "item_master_uuids": lambda: ids.uuids(Kind.MASTERS, candidates.masters),
                "item_scores": lambda: items.scores,
                "item_sources": lambda: candidates.sources,
                "item_parts": lambda: candidates.parts,
                "item_reasons": lambda: candidates.reasons,
                "item_bases": lambda: candidates.scores,
                "changes": lambda: items.changes,
                "adjustments": lambda: items.adjustments,
                "prices": lambda: self.shop.offers.prices[items.pids],
                "dropped": lambda: items.dropped,
                "ranker_degraded": lambda: strings(self.degraded),
            }
        )

    def _summary(self) -> Summary:
        told = self.told
        counts = zip(DROPPED, self.items.dropped.tolist(), strict=True)
        return replace(
            told,
            degraded=tuple(sorted({*told.degraded, *self.degraded})),
            dropped={reason: count for reason, count in counts if count},
        )


def answers_of(ranked: Sequence[Ranked]) -> list[Arrays]:
    """Of a batch."""
    records = cache(partial(_records_of, ranked))
    return [one.arrays(lambda place=place: records()[place]) for place, one in enumerate(ranked)]  # type: ignore[misc]


def _records_of(ranked: Sequence[Ranked]) -> list[Bytes]:
    """Of each its items as they leave. What the catalogue tells of them is fetched for neighbours together."""
    bounds = np.cumsum([0, *(len(one.items.pids) for one in ranked)]).tolist()
    parts = [slice(*ends) for ends in pairwise(bounds)]
    items = np.empty(bounds[-1], ITEM)
    words = bytes_of(items).view(np.uint32)
    for one, part in zip(ranked, parts, strict=True):
        own = items[part]
        own["pid"], own["score"] = one.items.pids, one.items.scores
        own["changes"], own["adjustments"] = one.items.changes, one.items.adjustments
        words[part, _CANDIDATE:] = one.candidates.rows
    for _, neighbours in groupby(zip(ranked, parts, strict=True), lambda pair: id(pair[0].shop)):
        (first, begin), *others = neighbours
        theirs = items[begin.start : others[-1][1].stop if others else begin.stop]
        theirs["pid_uuid"] = first.shop.ids.uuids(Kind.PIDS, theirs["pid"])
        theirs["master_uuid"] = first.shop.ids.uuids(Kind.MASTERS, theirs["master"])
        theirs["price"] = first.shop.offers.prices[theirs["pid"]]
    return [bytes_of(items[part]) for part in parts]
