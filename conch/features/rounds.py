"""Rounds over all documented keys, slowly: what another program wrote and told nobody of is found and packed.

A key is read in both forms, and packed anew where they say different things, as old as it was: whoever keeps it in
order of windows writes over that. Redis does not say when a key was written, so every key is looked at.
"""

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Columns, Family, Stamp, Unreadable, stamp_of, unpack
from conch.features.packing import Packer
from conch.features.reconciling import Reconciler, Repacked, rebuilt
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures, Value

LOOK_S = 0.25
SPEND_S = 0.01
"""Of each LOOK_S: some hundred small keys a second, some ten of a thousand members."""

AT_ONCE = 4
"""Keys between two looks at the clock."""

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
        self._keys: Iterator[str] = iter(())
        self._began = self._stepped = float("-inf")
        self._found = 0
        self._packer: Packer | None = None
        self._packed_by = (0, 0)

    def step(self) -> Repacked:
        """What was packed; called as often as one likes."""
        done, now = Repacked(), self._clock()
        if now - self._stepped < LOOK_S:
            return done
        self._stepped = now
        while self._clock() - now < SPEND_S:
            keys = list(islice(self._keys, AT_ONCE))
            if not keys:
                if not self._next_round(now):
                    break
                continue
            if different := self._different(keys):
                done = done.with_more(self._reconciler.repack(different, rebuilt))
                self._found += len(different)
        return done

    def _next_round(self, now: float) -> bool:
        if self._found:
            logger.info("%d features of %s were written and not told of: packed", self._found, self._folder.name)
            self._found = 0
        if now - self._began < PAUSE_S:
            return False
        self._began = now
        names = self._folder.keys
        self._keys = (key for key in self._hot.scan(names.full("*")) if names.parsed(key) is not None)
        return True

    def _different(self, keys: list[str]) -> list[str]:
        packer = self._current_packer()
        values = zip(keys, self._hot.read(keys), self._hot.all_documented(keys), strict=True)
        return [key for key, blob, value in values if value is not None and differ(packer, key, blob, value)]

    def _current_packer(self) -> Packer:
        now = (generations.current(self._folder.ids), generations.current(self._folder.snapshot))
        if self._packer is None or now != self._packed_by:
            self._packer, self._packed_by = self._reconciler.packer(), now
        return self._packer


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
