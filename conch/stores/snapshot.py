"""What candidates and ranking read without asking a store: the catalogue by dense id, memory-mapped.

One writer a host publishes it as a generation (stores/generations.py), without a user's data; every model instance maps
the same pages. A column is one .npy file. Lists are rows of a compressed sparse table: those of row i stand from
starts[i] to starts[i + 1].
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from mmap import mmap
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Internal
from conch.stores import generations

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]

_ABOUT = "about.json"


_LATER: Mapping[str, npt.DTypeLike] = {"active_masters": np.uint32}
"""Columns that a snapshot of before does not have, and that may be empty."""


@dataclass(frozen=True)
class Columns:
    """provenance.NO_REASON stands for none."""

    master_category: U4
    """By master: its leaf category."""
    master_brand: U4
    offer_starts: I8
    """By master, one more than there are: its offers in `offer_pids`."""
    offer_pids: U4
    pid_master: U4
    """By pid."""
    pid_price: F4
    pid_seller: U4
    pid_rating: F4
    """0 to 5; the stated default where the catalogue has none."""
    pid_stock: U1
    """1: in stock."""
    category_parent: U4
    """By category. The importer lets no cycle in."""
    best_starts: I8
    """By category, one more than there are; by (-score, pid)."""
    best_pids: U4
    best_scores: F4
    popular_pids: U4
    """Best sellers of everything."""
    popular_scores: F4
    co_view_starts: I8
    """By category: live co-view."""
    co_view_categories: U4
    co_view_scores: F4
    related_starts: I8
    """By category: of the weekly batch."""
    related_categories: U4
    related_scores: F4
    active_masters: U4
    """All of masters:active, ascending: hot ones, whose relations Redis has."""
    relation_masters: U4
    """The latest of them, ascending: what answers when no store does."""
    relation_starts: I8
    relation_ids: U4
    relation_scores: F4


@dataclass(frozen=True)
class About:
    ids_generation: int
    written_ms: int
    """Epoch ms: the age is counted from it."""
    positions: Mapping[str, int]
    """Of the log that it was made from, by partition; empty where there is none."""


@dataclass(frozen=True)
class Snapshot:
    generation: int
    about: About
    columns: Columns

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The current generation; an empty one where nothing was published. Raises Internal for a damaged one."""
        generation = generations.current(folder)
        if generation == 0:
            return cls.empty()
        path = generations.folder_of(folder, generation)
        try:
            about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
            columns = {field.name: _opened(path / f"{field.name}.npy") for field in fields(Columns)}
            return cls(generation, About(**about), Columns(**columns))
        except FileNotFoundError as error:
            raise Internal(f"snapshot {generation} lacks {Path(error.filename).name}") from error
        except (Internal, OSError, ValueError, TypeError) as error:
            raise Internal(f"snapshot {generation} cannot be read: {error}") from error

    @classmethod
    def empty(cls) -> Self:
        return cls(0, About(0, 0, {}), empty())

    @property
    def age_s(self) -> float:
        return time.time() - self.about.written_ms / 1000

    @cached_property
    def plain(self) -> Columns:
        """The same, as arrays that do not know where they are mapped from: a slice of one takes half the time."""
        return Columns(**{field.name: np.asarray(getattr(self.columns, field.name)) for field in fields(Columns)})

    @cached_property
    def masters(self) -> int:
        return len(self.columns.master_category)

    @cached_property
    def pids(self) -> int:
        return len(self.columns.pid_master)

    @cached_property
    def categories(self) -> int:
        return len(self.columns.category_parent)


def publish(folder: Path, columns: Columns, about: About) -> int:
    """The number of the new generation. Raises Internal for columns that contradict each other.

    A column that is mapped from the generation before is linked, not written again.
    """
    check(columns)

    def write(target: Path) -> None:
        for field in fields(columns):
            _save(target / f"{field.name}.npy", getattr(columns, field.name))
        (target / _ABOUT).write_text(json.dumps(about.__dict__), encoding="utf-8")

    generation = generations.current(folder) + 1
    generations.publish(folder, generation, write)
    return generation


def _opened(path: Path) -> npt.NDArray[Any]:
    try:
        return generations.mapped(path)
    except FileNotFoundError:
        if path.stem not in _LATER:
            raise
        return np.zeros(0, _LATER[path.stem])


def _save(target: Path, column: npt.NDArray[Any]) -> None:
    # A view of a column is mapped from the same file, and is not the file.
    if isinstance(column, np.memmap) and isinstance(column.base, mmap) and column.filename is not None:
        try:
            os.link(column.filename, target)
            return
        except FileNotFoundError:  # its generation is gone
            pass
    np.save(target, column)


def check(columns: Columns) -> None:
    masters, pids = len(columns.master_category), len(columns.pid_master)
    categories, known = len(columns.category_parent), len(columns.relation_masters)
    tables: tuple[tuple[str, int, str], ...] = (
        ("offer_starts", masters, "offer_pids"),
        ("best_starts", categories, "best_pids"),
        ("co_view_starts", categories, "co_view_categories"),
        ("related_starts", categories, "related_categories"),
        ("relation_starts", known, "relation_ids"),
    )
    for name, rows, values in tables:
        starts, length = getattr(columns, name), len(getattr(columns, values))
        if len(starts) != rows + 1 or starts[0] != 0 or starts[-1] != length or (np.diff(starts) < 0).any():
            raise Internal(f"{name} has {len(starts)} bounds for {rows} rows and {length} of {values}")
    for name, value in (("master_brand", masters), ("pid_price", pids), ("pid_seller", pids), ("pid_rating", pids),
                        ("pid_stock", pids)):  # fmt: skip
        if len(getattr(columns, name)) != value:
            raise Internal(f"{name} has {len(getattr(columns, name))} rows, not {value}")


def csr(rows: int, owners: U4, *values: npt.NDArray[Any]) -> tuple[I8, tuple[npt.NDArray[Any], ...]]:
    """Bounds of `rows` lists, and `values` in the order of their owners; those of one owner keep their order."""
    order = np.argsort(owners, kind="stable")
    starts = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(owners, minlength=rows), out=starts[1:])
    return starts, tuple(value[order] for value in values)


def empty() -> Columns:
    """Of a catalogue without anything."""
    kinds: Mapping[object, npt.DTypeLike] = {U4: np.uint32, F4: np.float32, I8: np.int64, U1: np.uint8}
    return Columns(
        **{field.name: np.zeros(1 if field.type is I8 else 0, kinds[field.type]) for field in fields(Columns)}
    )
