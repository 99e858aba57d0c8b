"""The index of meanings: masters by the vectors of their titles, for approximate nearest neighbours by cosine.

{catalogue}/nearest/{version of the embedding}/    generations (generations.py) of index.usearch and about.json

An index answers vectors of the embedding that it was built with and no others, so each version of the embedding has one
of its own, and two may stand side by side while one takes the other's place. Readers map the file: instances share it.

The one file that knows usearch.
"""

import contextlib
import ctypes
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

# The wheel of usearch has a libstdc++ of its own, and onnxruntime, loaded after it in the same process, ends with
# SIGSEGV. So the machine's own comes first, for everybody; elsewhere than on Linux there is none.
with contextlib.suppress(OSError):
    ctypes.CDLL("libstdc++.so.6", mode=ctypes.RTLD_GLOBAL)

from usearch.index import Index

from conch.contracts.errors import Internal
from conch.stores import generations

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

LAYOUT = 1
"""Of the two files together; another one is refused."""

CONNECTIVITY = 32
"""Neighbours of a node. 16 finds 96 of the nearest 100 where 32 finds 99."""

EXPANSION = 128
"""Nodes looked at, at least, when one is added or searched for."""

SMALL, PART = 5_000, 20
"""An index of so many masters, or of so many times those that are asked for, is searched exactly."""

SPARE = 16
"""Asked for beyond k: an index is older than what has been taken out of the catalogue since."""

_FILE, _ABOUT = "index.usearch", "about.json"
_VERSION = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class About:
    embedding: str
    """Version of the embedding."""
    ids_generation: int
    """Of the ids that it was built with; later ones have the same ids for the same masters."""
    count: int
    revision: int
    """Of the newest vector that it has (batch/vectors.py)."""
    layout: int = LAYOUT


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest first, ties by id."""

    masters: U4
    similarities: F4
    """Cosine, -1 to 1."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """One generation, mapped; safe to read from any thread."""

    generation: int
    about: About
    _index: Any = field(repr=False)

    @classmethod
    def open(cls, folder: Path, version: str) -> Self | None:
        """The current generation of a version's index; None where none was published. Raises Internal."""
        own = folder / version
        generation = generations.current(own)
        if generation == 0:
            return None
        path = generations.folder_of(own, generation)
        about = _about(path)
        if about.embedding != version:
            raise Internal(f"the index in {version} says that it is of embedding {about.embedding}")
        return cls(generation, about, _restored(path, about, view=True))

    def nearest(self, vectors: F4, k: int, wanted: Bools, *, threads: int = 1) -> Sequence[Near]:
        """At most k of each row of `vectors`, of any length but 0. `wanted` says of each master by id whether it may be
        named; those beyond it may not."""
        answers = self._search(vectors, k, k + SPARE, wanted, threads)
        short = [row for row, near in enumerate(answers) if len(near.masters) < min(k, self.about.count)]
        if short and k + SPARE < self.about.count:
            again = self._search(vectors[short], k, 4 * (k + SPARE), wanted, threads)
            for row, near in zip(short, again, strict=True):
                answers[row] = near
        return answers

    def vector_of(self, master: int) -> F4 | None:
        """As the index has it: to three digits, about of length 1. None: it has none."""
        found = self._index.get(master, dtype="f32")
        return None if found is None else np.asarray(found, np.float32).reshape(-1)

    def _search(self, vectors: F4, k: int, asked: int, wanted: Bools, threads: int) -> list[Near]:
        # Looking at all of a small index, or for a large part of one, is quicker than a way through, and misses none.
        exact = self.about.count <= max(SMALL, PART * asked)
        found = self._index.search(vectors, min(asked, self.about.count), threads=threads, exact=exact)
        # Of one row usearch answers as of none.
        rows = [found] if len(vectors) == 1 else [found[row] for row in range(len(vectors))]
        return [_near(row.keys, row.distances, k, wanted) for row in rows]


def new_graph(width: int) -> Index:
    """An empty one."""
    return Index(
        ndim=width,
        metric="cos",
        dtype="bf16",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION,
        expansion_search=EXPANSION,
    )


class MeaningsWriter:
    """The next generation of one version's index, empty at first. Nobody sees it before `publish`."""

    def __init__(self, folder: Path, version: str, width: int) -> None:
        self._folder, self._version, self._width = folder / version, version, width
        self.generation = generations.current(self._folder)
        self.clear()

    def resume(self) -> None:
        """Takes up the current generation, if there is one. Raises Internal for one that cannot be read."""
        if self.generation:
            path = generations.folder_of(self._folder, self.generation)
            about = _about(path)
            self._index = _restored(path, about, view=False)
            self.about = about

    def clear(self) -> None:
        """Nothing is in it, as before the first generation."""
        self.about = About(self._version, 0, 0, 0)
        self._index = new_graph(self._width)

    @property
    def masters(self) -> U4:
        """That it has, ascending."""
        return np.sort(np.asarray(self._index.keys).astype(np.uint32))

    def put(self, masters: U4, vectors: F4) -> None:
        """In place of what a master had."""
        self.drop(masters)
        self._index.add(masters.astype(np.uint64), vectors)

    def drop(self, masters: U4) -> None:
        standing = masters[self._index.contains(masters.astype(np.uint64))] if len(masters) else masters
        if len(standing):
            self._index.remove(standing.astype(np.uint64))

    def publish(self, ids_generation: int, revision: int) -> int:
        """The number of the new generation."""
        about = About(self._version, ids_generation, len(self._index), revision)

        def write(target: Path) -> None:
            self._index.save(str(target / _FILE))
            (target / _ABOUT).write_text(json.dumps(asdict(about)), encoding="utf-8")

        generations.publish(self._folder, self.generation + 1, write)
        self.generation, self.about = self.generation + 1, about
        return self.generation


def versions(folder: Path) -> Mapping[str, int]:
    """Version of the embedding → generation of its index, of those that have one; the lowest first."""
    found = {path.parent.name: generations.current(path.parent) for path in folder.glob("*/current")}
    return {name: found[name] for name in sorted(filter(_VERSION.fullmatch, found), key=int)}


def _about(path: Path) -> About:
    try:
        about = About(**json.loads((path / _ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Internal(f"index {path.parent.name}/{path.name} cannot be read: {error}") from error
    if about.layout != LAYOUT:
        raise Internal(f"index {path.parent.name}/{path.name} has layout {about.layout}, this is {LAYOUT}")
    return about


def _restored(path: Path, about: About, *, view: bool) -> Any:
    # usearch trusts what a file says of itself: one that is not whole is found by what stands beside it.
    try:
        index: Any = Index.restore(str(path / _FILE), view=view)
    except (OSError, RuntimeError, ValueError) as error:
        raise Internal(f"index {path.parent.name}/{path.name} cannot be read: {error}") from error
    if index is None or len(index) != about.count:
        has = "nothing" if index is None else len(index)
        raise Internal(f"index {path.parent.name}/{path.name} has {has} of the {about.count} masters that it says")
    index.expansion_add = index.expansion_search = EXPANSION
    return index


def _near(keys: npt.NDArray[np.uint64], distances: F4, k: int, wanted: Bools) -> Near:
    known = keys < len(wanted)
    known[known] = wanted[keys[known]]
    masters, similarities = keys[known].astype(np.uint32), 1 - distances[known].astype(np.float32)
    order = np.lexsort((masters, -similarities))[:k]
    return Near(masters[order], np.clip(similarities[order], -1, 1))
