"""The masters whose titles mean the most like a vector, by the memory-mapped index of the caller's catalogue.

An index answers vectors of the embedding that it was built with. Which those may be is this model's parameter
`built_with`, by which the rollout keeps an embedding from going live that has no index (docs/relations.md).
"""

import gc
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from conch.contracts.errors import ConchError, Internal, InvalidRequest, Unavailable
from conch.contracts.keys import CATALOGUES_VARIABLE
from conch.contracts.specs import EMBEDDING, NEAREST, RANKED_MOST
from conch.models.base import Arrays, ModelContext, RaggedModel, Row, strings
from conch.models.meanings import Shelf, Shelves
from conch.stores.attempts import Damaged
from conch.stores.ids import Kind
from conch.stores.meanings import F4, Meanings, Near

K = 10

_NOTHING = Near(np.zeros(0, np.uint32), np.zeros(0, np.float32))


class OtherEmbedding(Unavailable):
    """The vector, the index and this model are not all of one version of the embedding."""

    code = "other_embedding"


@dataclass(frozen=True, slots=True)
class Wish:
    """A row, read and checked."""

    shelf: Shelf
    vector: F4
    k: int
    index: Meanings | None
    """None: there is none for any vector."""


class Nearest(RaggedModel):
    spec = NEAREST

    def __init__(self, shelves: Shelves, fits: Sequence[str]) -> None:
        """`fits` are versions of the embedding."""
        self._shelves = shelves
        self._fits = tuple(fits)

    @classmethod
    def load(cls, context: ModelContext, environment: Mapping[str, str] = os.environ) -> Self:
        folder = environment.get(CATALOGUES_VARIABLE, "")
        name, *versions = context.parameters.get("built_with", "").split() or [""]
        if name != EMBEDDING.name or not versions:
            raise Internal(f"parameter built_with of config.pbtxt is {name!r} {versions}, not like 'embedding 1'")
        model = cls(Shelves(Path(folder) if folder else None), versions)
        # What is loaded by now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        return model

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        by_tenant = {tenant: self._shelf(tenant) for tenant in {row.identity.tenant for row in rows}}
        shelves = [by_tenant[row.identity.tenant] for row in rows]
        wishes = [self._wish(shelf, row) for shelf, row in zip(shelves, rows, strict=True)]
        found = _searched(wishes)
        return [
            wish if isinstance(wish, ConchError) else _answer(wish, found.get(place))
            for place, wish in enumerate(wishes)
        ]

    def _shelf(self, catalogue: str) -> Shelf | Damaged:
        try:
            return self._shelves.of(catalogue)
        except Damaged as error:
            return error

    def _wish(self, shelf: Shelf | Damaged, row: Row) -> Wish | ConchError:
        if isinstance(shelf, Damaged):
            return shelf
        try:
            k = int(row["k"].item()) if "k" in row else K
            if not 1 <= k <= RANKED_MOST:
                raise InvalidRequest(f"k is {k}, it must be from 1 to {RANKED_MOST}").about("k")
            vector: F4 = row["embedding"]
            if not vector.any():
                raise InvalidRequest("embedding has length 0: it points nowhere").about("embedding")
            return Wish(shelf, vector, k, self._index(shelf, row.text("vector_version")))
        except ConchError as error:
            return error

    def _index(self, shelf: Shelf, version: str) -> Meanings | None:
        """Raises OtherEmbedding, and InvalidRequest where it cannot be told which index is meant."""
        if version and version not in self._fits:
            raise OtherEmbedding(f"the vector is of embedding {version[:20]}, this model fits {_told(self._fits)}")
        if not shelf.indexes:
            return None
        wanted = (version,) if version else self._fits
        found = [index for name, index in shelf.indexes.items() if name in wanted]
        if not found:
            raise OtherEmbedding(f"the index is of embedding {_told(shelf.indexes)}, needed is {_told(wanted)}")
        if len(found) > 1:
            raise InvalidRequest(
                f"there are indexes of embedding {_told(index.about.embedding for index in found)}: "
                "vector_version must say of which the vector is"
            ).about("vector_version")
        return found[0]


def _searched(wishes: Sequence[Wish | ConchError]) -> Mapping[int, Near]:
    """By place; rows that ask the same index are asked together."""
    together: dict[int, tuple[Meanings, Shelf, list[tuple[int, Wish]]]] = {}
    for place, wish in enumerate(wishes):
        if isinstance(wish, Wish) and wish.index is not None:
            _, _, own = together.setdefault(id(wish.index), (wish.index, wish.shelf, []))
            own.append((place, wish))
    found: dict[int, Near] = {}
    for index, shelf, own in together.values():
        vectors = np.stack([wish.vector for _, wish in own])
        answers = index.nearest(vectors, max(wish.k for _, wish in own), shelf.offered)
        found.update((place, near) for (place, _), near in zip(own, answers, strict=True))
    return found


def _answer(wish: Wish, found: Near | None) -> Arrays:
    near = found or _NOTHING
    masters = near.masters[: wish.k]
    return {
        "masters": masters,
        "master_uuids": wish.shelf.ids.uuids(Kind.MASTERS, masters),
        "similarities": near.similarities[: wish.k],
        "embedding_version": strings([wish.index.about.embedding if wish.index else ""]),
    }


def _told(versions: Iterable[str]) -> str:
    return " and ".join(versions)
