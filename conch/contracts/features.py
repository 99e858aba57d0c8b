"""The packed form of a feature: what stands under pk:{K} in Redis, and in the packed row of the durable store.

A header of 32 bytes, then one column after the other, all little-endian:

     0  u1  version       4  u4  fingerprint of the layout     12  u4  rows
     1  u1  family        8  u4  generation of the ids         16  u4  stamp: epoch
     2  u2  zero                                               20  u4  stamp: revision
                                                               24  i8  stamp: window end, epoch ms

Ids are dense u32 of the generation (conch/stores/ids.py). What has another version, family or fingerprint is refused,
never guessed.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Internal

VERSION = 1

_HEADER = struct.Struct("<BBHIIIIIq")

HEADER_BYTES = _HEADER.size


class Unreadable(Internal):
    """A blob that is no feature of ours: the reader takes it for missing, counts it, and packs it again."""


class Family(IntEnum):
    SEMANTIC = 1
    MASTER_CO_VIEW = 2
    CO_VIEW = 3
    RELATED_CATEGORIES = 4
    BEST_SELLERS = 5
    RECENT_CATEGORIES = 6
    VIEWS = 7
    BOUGHT = 8
    OFFERS = 9
    PROMO = 10
    SERVED = 11
    EXPOSURE = 12


@dataclass(frozen=True)
class Layout:
    family: Family
    columns: Mapping[str, str]
    """Name → numpy's type string."""

    @cached_property
    def fingerprint(self) -> int:
        return zlib.crc32(repr((self.family.name, tuple(self.columns.items()))).encode())

    @cached_property
    def row_bytes(self) -> int:
        return sum(np.dtype(kind).itemsize for kind in self.columns.values())


_SCORED = {"ids": "<u4", "scores": "<f4"}

LAYOUTS: Mapping[Family, Layout] = {
    layout.family: layout
    for layout in (
        Layout(Family.SEMANTIC, _SCORED),  # masters
        Layout(Family.MASTER_CO_VIEW, _SCORED),  # masters
        Layout(Family.CO_VIEW, _SCORED),  # categories
        Layout(Family.RELATED_CATEGORIES, _SCORED),  # categories
        Layout(Family.BEST_SELLERS, _SCORED),  # pids
        Layout(Family.RECENT_CATEGORIES, {"ids": "<u4", "weights": "<f4", "times": "<i8"}),  # categories, epoch ms
        Layout(Family.VIEWS, {"pids": "<u4", "masters": "<u4"}),  # the last view first
        Layout(Family.BOUGHT, {"masters": "<u4", "times": "<i8"}),
        Layout(Family.OFFERS, {"pids": "<u4", "prices": "<f4", "sellers": "<u4", "ratings": "<f4"}),
        Layout(
            Family.PROMO,
            # One row. Absent fields are NaN; flags: 1 out of stock, 2 flash sale.
            {"boost": "<f4", "ad_bid": "<f4", "expiry": "<i8", "flags": "<u4"},
        ),
        Layout(
            Family.SERVED,
            # An item a row; the fallback is the same in every row, a number of provenance.FALLBACKS.
            {
                "pids": "<u4",
                "masters": "<u4",
                "scores": "<f4",
                "prices": "<f4",
                "bases": "<f4",
                "sources": "<u4",
                "changes": "<u4",
                "reasons": "<u4",
                "semantic": "<f4",
                "category": "<f4",
                "co_view": "<f4",
                "popular": "<f4",
                "boosts": "<f4",
                "flash_bonuses": "<f4",
                "bids": "<f4",
                "fallbacks": "<u4",
            },
        ),
        # One row; UTF-8, filled up with zeros.
        Layout(Family.EXPOSURE, {"segments": "S64", "experiments": "S64", "times": "<i8"}),
    )
}


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """Which of two writes is newer: compared in this order, an equal one overwrites."""

    epoch: int = 0
    """A fencing number that rises only when state is built again."""
    window_end_ms: int = 0
    revision: int = 0
    """Counts mendings."""


Columns = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Packed:
    family: Family
    columns: Columns
    """One row each, in the order of the layout; read-only where they come from `unpack`."""
    generation: int
    stamp: Stamp = Stamp()

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))


def pack(feature: Packed) -> bytes:
    layout = LAYOUTS[feature.family]
    if tuple(feature.columns) != tuple(layout.columns):
        raise Internal(f"{feature.family.name} has the columns {list(feature.columns)}, not {list(layout.columns)}")
    if len({len(column) for column in feature.columns.values()}) != 1:
        lengths = {name: len(column) for name, column in feature.columns.items()}
        raise Internal(f"{feature.family.name} has columns of unequal length: {lengths}")
    stamp = feature.stamp
    header = _HEADER.pack(
        VERSION, feature.family, 0, layout.fingerprint, feature.generation, feature.rows, stamp.epoch, stamp.revision,
        stamp.window_end_ms,
    )  # fmt: skip
    columns = [np.ascontiguousarray(feature.columns[name], kind).tobytes() for name, kind in layout.columns.items()]
    return b"".join((header, *columns))


def unpack(blob: bytes | memoryview, family: Family) -> Packed:
    """Without a copy: the columns are views of the blob. Raises Unreadable."""
    if len(blob) < _HEADER.size:
        raise Unreadable(f"a packed feature has {len(blob)} bytes, its header alone {_HEADER.size}")
    version, kind, _, fingerprint, generation, rows, epoch, revision, window_end_ms = _HEADER.unpack_from(blob)
    layout = LAYOUTS[family]
    if version != VERSION:
        raise Unreadable(f"a packed feature has version {version}, this is version {VERSION}")
    if kind != family or fingerprint != layout.fingerprint:
        raise Unreadable(
            f"a packed feature is of family {kind} with layout {fingerprint:#010x}, "
            f"{family.name} is {int(family)} with {layout.fingerprint:#010x}"
        )
    if len(blob) != _HEADER.size + rows * layout.row_bytes:
        raise Unreadable(
            f"a packed feature of {rows} rows has {len(blob)} bytes, not {_HEADER.size + rows * layout.row_bytes}"
        )
    columns: dict[str, npt.NDArray[np.generic]] = {}
    at = _HEADER.size
    for name, type_name in layout.columns.items():
        columns[name] = np.frombuffer(blob, type_name, rows, at)
        at += columns[name].nbytes
    return Packed(family, columns, generation, Stamp(epoch, window_end_ms, revision))


def stamp_of(blob: bytes | memoryview) -> Stamp:
    """Without the rest. Raises Unreadable."""
    if len(blob) < _HEADER.size or blob[0] != VERSION:
        raise Unreadable(f"{len(blob)} bytes are no packed feature of version {VERSION}")
    *_, epoch, revision, window_end_ms = _HEADER.unpack_from(blob)
    return Stamp(epoch, window_end_ms, revision)
