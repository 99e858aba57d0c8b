"""Relations go into the stores: of each master the documented and the packed form together, durable first.

Safe to repeat: a write carries the time of its inference as its stamp, and a newer one stays.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import numpy as np

from batch.neighbours import Related
from conch.contracts.features import Family, Packed, Stamp, pack
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import SEMANTIC_TTL_S, CatalogueKeys
from conch.features.families import RELATIONS_PACKED
from conch.stores.features import HotFeatures, SortedSet, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.relations import PackedRow, Relations, SemanticRelations

DIGITS = 6
"""Of a documented similarity; the packed one has all that it came with."""


@dataclass(frozen=True, slots=True)
class RelationsWriter:
    keys: CatalogueKeys
    ids: IdIndex
    durable: Relations
    hot: HotFeatures
    source: str
    """As "embedding:1"."""
    now_ms: Callable[[], int]
    packed: int = RELATIONS_PACKED
    """Of a master."""

    def write(self, related: Sequence[Related], hot_masters: Collection[int]) -> int:
        """How many a newer write kept out of Redis. Raises Unavailable; what it had written stays.

        A sorted set of a thousand UUIDs takes 111 KB: only hot masters have one, the others are packed alone.
        """
        made_ms = self.now_ms()
        writes = [self._durable(one, made_ms, one.master in hot_masters) for one in related]
        return sum(not done for done in self.hot.write(writes))

    def _durable(self, related: Related, made_ms: int, is_hot: bool) -> Write:
        name, *names = self._names(related)
        scores = [round(float(score), DIGITS) for score in related.near.similarities.tolist()]
        key, packed = self.keys.semantic(name), self._packed(related, made_ms)
        made = datetime.fromtimestamp(made_ms / 1000, UTC)
        documented = SemanticRelations(dict(zip(map(_uuid, names), scores, strict=True)), made, self.source)
        self.durable.put_semantic(UUID(name), documented, PackedRow(key, packed))
        value = SortedSet(dict(zip(names, scores, strict=True))) if is_hot and names else None
        return Write(key, packed, value, SEMANTIC_TTL_S)

    def _names(self, related: Related) -> list[str]:
        """Of the master, then of those that are like it."""
        numbers = np.concatenate([np.array([related.master], np.uint32), related.near.masters])
        return texts_of(self.ids.uuids(Kind.MASTERS, numbers))

    def _packed(self, related: Related, made_ms: int) -> bytes:
        near = related.near
        columns = {"ids": near.masters[: self.packed], "scores": near.similarities[: self.packed]}
        return pack(Packed(Family.SEMANTIC, columns, self.ids.generation, Stamp(0, made_ms, 0)))


@lru_cache(maxsize=100_000)
def _uuid(text: str) -> UUID:
    """The same masters are near to many, and a UUID takes as long to make as the rest of its entry."""
    return UUID(text)
