"""First exposures in the hot store: what serving goes by. The event log is what they are of.

Safe to repeat, and in any order: the earliest stands (contracts/segments.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conch.contracts.features import Stamp, Unreadable, stamp_of
from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import Exposure, first
from conch.stores.features import Hash, HotFeatures, Write


@dataclass(frozen=True, slots=True)
class Exposures:
    """Of one catalogue. Raises Unavailable."""

    keys: CatalogueKeys
    hot: HotFeatures

    def of(self, users: Sequence[str]) -> Mapping[str, Exposure]:
        """Of those who have one, in one wave."""
        read = {user: _decoded(blob) for user, blob in zip(users, self._blobs(users), strict=True)}
        return {user: exposure for user, exposure in read.items() if exposure is not None}

    def tell(self, told: Mapping[str, Exposure]) -> int:
        """By user. How many were new here, or earlier than what stood."""
        writes = []
        for (user, exposure), blob in zip(told.items(), self._blobs(list(told)), strict=True):
            standing = _decoded(blob)
            if first(standing, exposure) is exposure:
                writes.append(self._write(user, exposure, _epoch(blob, standing, exposure)))
        return sum(self.hot.write(writes)) if writes else 0

    def _blobs(self, users: Sequence[str]) -> Sequence[bytes | None]:
        return self.hot.read([self.keys.segment(user) for user in users])

    def _write(self, user: str, exposure: Exposure, epoch: int) -> Write:
        return Write(self.keys.segment(user), exposure.encode(epoch), Hash(exposure.fields))


def _decoded(blob: bytes | None) -> Exposure | None:
    try:
        return Exposure.decode(blob) if blob is not None else None
    except Unreadable:
        return None


def _epoch(blob: bytes | None, standing: Exposure | None, told: Exposure) -> int:
    try:
        stamp = stamp_of(blob) if blob is not None else Stamp()
    except Unreadable:
        return 0
    same = standing is not None and standing.experiment == told.experiment
    return stamp.epoch if same or blob is None else stamp.epoch + 1
