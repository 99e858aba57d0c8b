"""Dense u32 ids of a catalogue: append-only, never used again, memory-mapped and so shared by all who read them.

One writer, the importer, allots them (IdWriter) and publishes generations; readers (IdIndex) map the current one and
look again when they meet an id beyond it. A generation is a folder of segments, hard links to those before it but for
the last: `{kind}-{n}.uuids.npy` by id, `.high.npy` the sorted first halves, `.order.npy` the ids in that order, and for
kinds that are texts `.texts.json`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Internal
from conch.contracts.identifiers import Uuids, uuids_of
from conch.contracts.provenance import NO_REASON
from conch.stores import generations

Dense = npt.NDArray[np.uint32]

NONE = NO_REASON
"""No id; of no catalogue, which ends below it."""

SEGMENTS = 8
"""More are written as one: a look-up asks each."""


class Kind(StrEnum):
    MASTERS = "masters"
    PIDS = "pids"
    CATEGORIES = "categories"
    SELLERS = "sellers"
    BRANDS = "brands"


TEXTS = frozenset({Kind.CATEGORIES, Kind.SELLERS, Kind.BRANDS})
"""Kinds whose own names are kept beside their UUIDs."""


@dataclass(frozen=True, slots=True)
class _Segment:
    first: int
    uuids: Uuids
    high: npt.NDArray[np.uint64]
    order: Dense
    texts: Sequence[str]

    def look_up(self, wanted: Uuids, found: Dense) -> None:
        """Sets those of `found` that stand here."""
        halves = _high(wanted)
        at = np.searchsorted(self.high, halves)
        rest = np.flatnonzero(at < len(self.high))
        # Ids whose first halves are equal stand next to each other; of random UUIDs no two are.
        while rest.size:
            rest = rest[self.high[at[rest]] == halves[rest]]
            candidates = self.order[at[rest]]
            same = (self.uuids[candidates] == wanted[rest]).all(axis=1)
            found[rest[same]] = candidates[same] + np.uint32(self.first)
            rest = rest[~same]
            at[rest] += 1
            rest = rest[at[rest] < len(self.high)]


class IdIndex:
    """Of one generation; safe to read from any thread."""

    def __init__(self, generation: int, segments: Mapping[Kind, Sequence[_Segment]]) -> None:
        self.generation = generation
        self._segments = segments

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The current generation; an empty one where nothing was published. Raises Internal for a damaged one."""
        generation = generations.current(folder)
        if generation == 0:
            return cls.empty()
        path = generations.folder_of(folder, generation)
        if not path.is_dir():
            raise Internal(f"ids {generation} are current, and {path.name} is no folder")
        try:
            return cls(generation, {kind: _segments(path, kind) for kind in Kind})
        except FileNotFoundError as error:
            raise Internal(f"ids {generation} lack {Path(error.filename).name}") from error

    @classmethod
    def empty(cls) -> Self:
        return cls(0, dict.fromkeys(Kind, ()))

    def size(self, kind: Kind) -> int:
        """Ids that are allotted: 0 to size - 1."""
        return sum(len(segment.uuids) for segment in self._segments[kind])

    def look_up(self, kind: Kind, uuids: Uuids) -> Dense:
        """NONE for each that has no id."""
        found = np.full(len(uuids), NONE, np.uint32)
        for segment in self._segments[kind]:
            segment.look_up(uuids, found)
        return found

    def uuids(self, kind: Kind, ids: Dense) -> Uuids:
        """Zeros for ids beyond the map."""
        first = self._segments[kind][:1]
        # Most stand in the base file: then nothing need be told apart.
        if first and len(ids) and ids.max() < len(first[0].uuids):
            found: Uuids = first[0].uuids[ids]
            return found
        answer = np.zeros((len(ids), 16), np.uint8)
        for segment in self._segments[kind]:
            here = np.flatnonzero((ids >= segment.first) & (ids < segment.first + len(segment.uuids)))
            answer[here] = segment.uuids[ids[here] - np.uint32(segment.first)]
        return answer

    def text(self, kind: Kind, dense: int) -> str:
        """Of a kind in TEXTS; empty beyond the map."""
        for segment in self._segments[kind]:
            if segment.first <= dense < segment.first + len(segment.uuids):
                return segment.texts[dense - segment.first]
        return ""


class IdWriter:
    """Allots ids after those of the current generation; nobody sees them before `publish`.

    What is new is kept as arrays, 28 bytes an id: millions may be allotted at once.
    """

    def __init__(self, folder: Path, catalogue: str) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._index = IdIndex.open(folder)
        self._new: dict[Kind, list[_Segment]] = {kind: [] for kind in Kind}

    def allot(self, kind: Kind, uuids: Uuids) -> Dense:
        """The id of each, old or new; new ones in the order of their coming."""
        if kind in TEXTS:
            raise Internal(f"{kind} are allotted by their texts")
        return self._allot(kind, uuids, None)

    def allot_texts(self, kind: Kind, texts: Sequence[str]) -> Dense:
        return self._allot(kind, uuids_of(self._catalogue, texts), texts)

    def publish(self) -> IdIndex:
        """Nothing new: the generation stays."""
        if any(self._new.values()):
            generations.publish(self._folder, self._index.generation + 1, self._write)
            self._index = IdIndex.open(self._folder)
            self._new = {kind: [] for kind in Kind}
        return self._index

    def _allot(self, kind: Kind, uuids: Uuids, texts: Sequence[str] | None) -> Dense:
        found = self._index.look_up(kind, uuids)
        for segment in self._new[kind]:
            segment.look_up(uuids, found)
        unknown = np.flatnonzero(found == NONE)
        if unknown.size:
            first = self._index.size(kind) + sum(len(segment.uuids) for segment in self._new[kind])
            places, numbers = _first_of_each(uuids[unknown])
            found[unknown] = numbers + np.uint32(first)
            fresh = unknown[places]
            own = [texts[place] for place in fresh] if texts is not None else ()
            self._new[kind].append(_segment(first, uuids[fresh], own))
            if len(self._new[kind]) > SEGMENTS:
                self._new[kind] = [_joined(self._new[kind])]
        return found

    def _write(self, target: Path) -> None:
        source = generations.folder_of(self._folder, self._index.generation)
        for kind, new in self._new.items():
            segments = _segments(source, kind) if self._index.generation else []
            if len(segments) + bool(new) <= SEGMENTS:
                for file in source.glob(f"{kind}-*"):
                    os.link(file, target / file.name)
                number = len(segments)
            else:
                new = [*segments, *new]
                number = 0
            if new:
                _write_segment(target / f"{kind}-{number}", _joined(new), kind in TEXTS)


def _first_of_each(uuids: Uuids) -> tuple[npt.NDArray[np.intp], Dense]:
    """Places where one stands first, ascending; and for each the number of its like among those."""
    halves = uuids.view(">u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    ordered = halves[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    # A stable sort: the first of a run is the one that came first.
    firsts = order[begins]
    ranks = np.empty(len(firsts), np.uint32)
    ranks[np.argsort(firsts, kind="stable")] = np.arange(len(firsts), dtype=np.uint32)
    numbers = np.empty(len(order), np.uint32)
    numbers[order] = ranks[np.cumsum(begins) - 1]
    return np.sort(firsts), numbers


def _segment(first: int, uuids: Uuids, texts: Sequence[str]) -> _Segment:
    halves = np.ascontiguousarray(uuids).view(">u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0])).astype(np.uint32)
    return _Segment(first, uuids, _high(uuids)[order], order, texts)


def _joined(segments: Sequence[_Segment]) -> _Segment:
    if len(segments) == 1:
        return segments[0]
    texts = [text for segment in segments for text in segment.texts]
    return _segment(segments[0].first, np.concatenate([segment.uuids for segment in segments]), texts)


def _write_segment(path: Path, segment: _Segment, with_texts: bool) -> None:
    np.save(f"{path}.uuids.npy", segment.uuids)
    np.save(f"{path}.high.npy", segment.high)
    np.save(f"{path}.order.npy", segment.order)
    if with_texts:
        Path(f"{path}.texts.json").write_text(json.dumps(list(segment.texts)), encoding="utf-8")


def _segments(folder: Path, kind: Kind) -> list[_Segment]:
    segments: list[_Segment] = []
    first = 0
    for number in count():
        path = folder / f"{kind}-{number}"
        if not Path(f"{path}.uuids.npy").exists():
            return segments
        # As plain arrays, whose slices do not remember the file, in half the time.
        parts = (generations.mapped(Path(f"{path}.{part}.npy")) for part in ("uuids", "high", "order"))
        uuids, high, order = map(np.asarray, parts)
        texts = _texts(Path(f"{path}.texts.json")) if kind in TEXTS else ()
        if not len(uuids) == len(high) == len(order) or (kind in TEXTS and len(texts) != len(uuids)):
            raise Internal(f"{path.name} has {len(uuids)} ids, {len(high)} sorted, {len(texts)} texts")
        segments.append(_Segment(first, uuids, high, order, texts))
        first += len(uuids)
    return segments


def _texts(path: Path) -> Sequence[str]:
    try:
        texts: Sequence[str] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Internal(f"{path.name} is no list of texts: {error}") from error
    return texts


def _high(uuids: Uuids) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(uuids).view(">u8").reshape(-1, 2)[:, 0].astype(np.uint64)
