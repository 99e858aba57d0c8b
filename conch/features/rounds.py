"""Rounds over all keys, slowly: what another program wrote or deleted and told nobody of is found.

A documented key is read in both forms, and packed anew where they say different things, as old as it was: whoever keeps
it in order of windows writes over that. Redis does not say when a key was written, so every key is looked at. A packed
form whose documented key was deleted goes too; one whose documented key ended by itself is served on.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Columns, Family, Stamp, Unreadable, stamp_of, unpack
from conch.features.packing import TTL_S, Packer
from conch.features.reconciling import Reconciler, Repacked, rebuilt
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures, Value

LOOK_S = 0.25
SPEND_S = 0.01
"""Of each LOOK_S: some hundred small keys a second, some ten of a thousand members."""

AT_ONCE = 4
"""Documented keys between two looks at the clock."""

PACKED_AT_ONCE = 25
"""Of which it is only asked whether they stand: a fifth of the time, while both rounds go on."""

PAUSE_S = 60.0
"""From the beginning of a round to that of the next, at least."""

logger = logging.getLogger(__name__)


class Rounds:
    """Of one catalogue. Raises Unavailable."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        reconciler: Reconciler,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._hot, self._reconciler, self._clock = folder, hot, reconciler, clock
        names = folder.keys
        self._documented = _Round(lambda: self._ours(hot.scan(names.full("*"))), "written", folder.name)
        self._packed = _Round(lambda: self._ours(hot.scan_packed(names.full("*"))), "deleted", folder.name)
        self._stepped = float("-inf")
        self._packer: Packer | None = None
        self._packed_by = (0, 0)

    def step(self) -> Repacked:
        """What was packed, or is gone; called as often as one likes."""
        done, now = Repacked(), self._clock()
        if now - self._stepped < LOOK_S:
            return done
        self._stepped = now
        while self._clock() - now < SPEND_S:
            documented, packed = self._documented.next(AT_ONCE, now), self._packed.next(PACKED_AT_ONCE, now)
            if not documented and not packed:
                break
            different, deleted = self._different(documented), self._deleted(packed)
            self._documented.found += len(different)
            self._packed.found += len(deleted)
            if different or deleted:
                done = done.with_more(self._reconciler.repack([*different, *deleted], rebuilt))
        return done

    def _ours(self, keys: Iterable[str]) -> Iterator[str]:
        return (key for key in keys if self._folder.keys.parsed(key) is not None)

    def _deleted(self, keys: list[str]) -> list[str]:
        packer = self._current_packer()
        found = self._hot.deleted({key: TTL_S.get(packer.family(key)) for key in keys})
        return [key for key, is_gone in zip(dict.fromkeys(keys), found, strict=True) if is_gone]

    def _different(self, keys: list[str]) -> list[str]:
        packer = self._current_packer()
        keys = [key for key in keys if packer.has_packed(key)]
        values = zip(keys, self._hot.read(keys), self._hot.all_documented(keys), strict=True)
        return [key for key, blob, value in values if value is not None and differ(packer, key, blob, value)]

    def _current_packer(self) -> Packer:
        now = (generations.current(self._folder.ids), generations.current(self._folder.snapshot))
        if self._packer is None or now != self._packed_by:
            self._packer, self._packed_by = self._reconciler.packer(), now
        return self._packer


@dataclass
class _Round:
    """All keys of a scan, then all of them again; a round begins PAUSE_S after the one before, or later."""

    scan: Callable[[], Iterator[str]]
    what: str
    catalogue: str
    found: int = 0
    """In this round: what nobody told of."""
    _keys: Iterator[str] = field(default=iter(()), init=False)
    _began: float = field(default=float("-inf"), init=False)

    def next(self, most: int, now: float) -> list[str]:
        """None left: the next round is not due."""
        keys = list(islice(self._keys, most))
        if keys:
            return keys
        if self.found:
            logger.info("%d features of %s were %s and not told of: mended", self.found, self.catalogue, self.what)
            self.found = 0
        if now - self._began < PAUSE_S:
            return []
        self._began, self._keys = now, self.scan()
        return list(islice(self._keys, most))


def differ(packer: Packer, key: str, blob: bytes | None, value: Value) -> bool:
    """False for what cannot be packed: whoever is told of it says so."""
    try:
        stamp = stamp_of(blob) if blob else Stamp()
        standing = unpack(blob, packer.family(key)).columns if blob else None
    except Unreadable:
        stamp, standing = Stamp(), None
    try:
        wanted = unpack(packer.packed(key, value, stamp), packer.family(key)).columns
    except InvalidRequest:
        return False
    return standing is None or not _same(packer.family(key), standing, wanted)


def _same(family: Family, one: Columns, other: Columns) -> bool:
    if family is Family.RECENT_CATEGORIES:
        # Weights that are as of many moments say more than documented ones, which are as of one.
        return np.array_equal(np.sort(one["ids"]), np.sort(other["ids"]))
    return all(np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one)
