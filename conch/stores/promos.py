"""Promos of a catalogue: a generation of the host, memory-mapped, and over it what has changed since.

The host's writer publishes all promos as a generation from time to time. Between two of them a pid that is named on the
channel of changes is read anew (`changed`), and stands over the generation until a later one has it too.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Internal, Unavailable
from conch.contracts.features import Family, Packed, Unreadable, unpack
from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import CatalogueKeys
from conch.contracts.provenance import NO_REASON
from conch.recommendation.ranking import U4, Promos, fixed
from conch.stores import generations
from conch.stores.breaker import Breaker
from conch.stores.features import HotFeatures
from conch.stores.ids import IdIndex, Kind

MERGE_S = 0.25
"""Changes within it are put over the generation together."""

OVERLAP_MS = 5_000
"""A change that came so shortly before a generation was written may not be in it."""

_COLUMNS = {"pids": "<u4", "boosts": "<f4", "bids": "<f4", "expiries": "<i8", "flags": "<u4"}
_ABOUT = "about.json"


def nothing() -> Promos:
    return _promos({name: np.zeros(0, kind) for name, kind in _COLUMNS.items()})


def publish(folder: Path, promos: Promos, written_ms: int) -> int:
    """The number of the new generation. `promos` are by pid, ascending; `written_ms` is when their reading began."""

    def write(target: Path) -> None:
        for name, kind in _COLUMNS.items():
            np.save(target / f"{name}.npy", getattr(promos, name).astype(kind))
        (target / _ABOUT).write_text(json.dumps({"written_ms": written_ms}), encoding="utf-8")

    generation = generations.current(folder) + 1
    generations.publish(folder, generation, write)
    return generation


def published(folder: Path) -> tuple[Promos, int]:
    """The current generation, and when it was written in epoch ms; nothing and 0 where there is none."""
    generation = generations.current(folder)
    return _opened(generations.folder_of(folder, generation)) if generation else (nothing(), 0)


def promo_row(blob: bytes) -> Mapping[str, np.generic]:
    """Of one packed promo. Raises Unreadable, also where it has not one row."""
    feature: Packed = unpack(blob, Family.PROMO)
    if feature.rows != 1:
        raise Unreadable(f"a packed promo has {feature.rows} rows, not 1")
    columns = feature.columns
    return {
        "boosts": columns["boost"][0],
        "bids": columns["ad_bid"][0],
        "expiries": columns["expiry"][0],
        "flags": columns["flags"][0],
    }


@dataclass(frozen=True, slots=True)
class _Change:
    row: Mapping[str, np.generic] | None
    """None: it has no promo any more."""
    seen_ms: int


class PromoBook:
    """Used by one thread."""

    def __init__(
        self,
        folder: Path | None,
        keys: CatalogueKeys,
        hot: HotFeatures,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Without a folder there is no generation."""
        self._folder = folder
        self._keys, self._hot = keys, hot
        self._clock, self._now_ms = clock, now_ms
        self._changes: dict[int, _Change] = {}
        self._generation = -1
        self._written_ms = 0
        self._base = self._merged = nothing()
        self._merged_at = -MERGE_S
        self._dirty = False
        self._breaker = Breaker("Redis", clock=clock)
        self.unreadable = 0
        self.refresh()

    def refresh(self) -> None:
        """Takes up the current generation, and forgets the changes that it has."""
        generation = generations.current(self._folder) if self._folder is not None else 0
        if generation == self._generation:
            return
        if generation:
            self._base, self._written_ms = _opened(generations.folder_of(self._folder or Path(), generation))
        self._generation = generation
        since = self._written_ms - OVERLAP_MS
        self._changes = {pid: change for pid, change in self._changes.items() if change.seen_ms >= since}
        self._merged, self._dirty = self._base, bool(self._changes)
        self._merged_at = -MERGE_S

    @property
    def age_s(self) -> float:
        """Of the generation; 0 where there is none."""
        return (self._now_ms() - self._written_ms) / 1000 if self._generation else 0.0

    def changed(self, pids: Sequence[str], ids: IdIndex) -> None:
        """Reads them anew, in one wave. Raises Unavailable; what was known stands then."""
        if not pids:
            return
        uuids = uuids_of(self._keys.catalogue, list(dict.fromkeys(pids)))
        numbers = ids.look_up(Kind.PIDS, uuids)
        blobs = self._read(texts_of(uuids))
        seen_ms = self._now_ms()
        for number, blob in zip(numbers.tolist(), blobs, strict=True):
            if number != NO_REASON:
                self._changes[number] = _Change(self._row(blob), seen_ms)
                self._dirty = True

    def current(self) -> Promos:
        """As of MERGE_S ago at the latest."""
        if self._dirty and self._clock() - self._merged_at >= MERGE_S:
            self._merged = _over(self._base, self._changes)
            self._merged_at = self._clock()
            self._dirty = False
        return self._merged

    def fresh(self, pids: U4, ids: IdIndex, within_s: float | None = None) -> Promos:
        """Of these alone, read from the store in one wave. Raises Unavailable, also where the store was emptied."""
        names = texts_of(ids.uuids(Kind.PIDS, pids))
        *blobs, kept = self._read(names, [self._keys.features_kept], within_s)
        if kept is None:
            raise Unavailable("Redis was emptied, promos are not in it yet")
        now_ms = self._now_ms()
        rows = {
            pid: _Change(self._row(blob), now_ms)
            for pid, blob in zip(pids.tolist(), blobs, strict=True)
            if blob is not None
        }
        return _over(nothing(), rows)

    def _read(
        self, names: Sequence[str], more: Sequence[str] = (), within_s: float | None = None
    ) -> Sequence[bytes | None]:
        keys = [*map(self._keys.promo, names), *more]
        return self._breaker.run(lambda: self._hot.read(keys, within_s))

    def _row(self, blob: bytes | None) -> Mapping[str, np.generic] | None:
        if blob is None:
            return None
        try:
            return promo_row(blob)
        except Unreadable:
            self.unreadable += 1
            return None


def _over(base: Promos, changes: Mapping[int, _Change]) -> Promos:
    kept = ~np.isin(base.pids, np.array(list(changes), np.uint32))
    rows = {pid: change.row for pid, change in changes.items() if change.row is not None}
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, kind in _COLUMNS.items():
        new = list(rows) if name == "pids" else [row[name] for row in rows.values()]
        columns[name] = np.concatenate([getattr(base, name)[kept], np.array(new, kind)])
    order = np.argsort(columns["pids"])
    return _promos({name: column[order] for name, column in columns.items()})


def _promos(columns: Mapping[str, npt.NDArray[Any]]) -> Promos:
    return Promos(**{name: fixed(column) for name, column in columns.items()})


def _opened(folder: Path) -> tuple[Promos, int]:
    try:
        columns = {name: fixed(generations.mapped(folder / f"{name}.npy")) for name in _COLUMNS}
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        return Promos(**columns), int(about["written_ms"])
    except FileNotFoundError as error:
        raise Internal(f"promos of {folder.name} lack {Path(error.filename).name}") from error
    except (Internal, OSError, ValueError, TypeError, KeyError) as error:
        raise Internal(f"promos of {folder.name} cannot be read: {error!s}") from error
