"""Families without packed forms: what other programs wrote is read as it stands, and packed by who reads it.

For a family that is written more often than it is read, or whose packed forms would take too much. A wave that reads
such keys is three commands instead of one, and takes longer where Redis is slow.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from conch.contracts.errors import Internal, InvalidRequest, Unavailable
from conch.contracts.features import Stamp
from conch.features.families import Families
from conch.features.packing import NO_PACKED, Packer
from conch.features.reconciling import packer_of
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures, Value, Write


def features_of(folder: CatalogueFolder, hot: HotFeatures) -> HotFeatures:
    """`hot` itself where all families are packed. Raises Unavailable for a features.toml that cannot be meant: it is no
    mistake of who asks."""
    try:
        plain = Families.read(folder.families).plain
    except InvalidRequest as error:
        file = folder.families
        raise Unavailable(error.message.replace(str(file), f"{folder.name}/{file.name}")) from error
    return PlainFeatures(folder, hot, plain) if plain else hot


class PlainFeatures(HotFeatures):
    """Of one catalogue. Writes, and reads of other keys, are the store's below."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        plain: frozenset[str],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._folder, self._hot, self._plain, self._now_ms = folder, hot, plain, now_ms
        self._packer: Packer | None = None
        self._packed_by = (0, 0)

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        """What is packed first: a store that is away costs what it always does."""
        plain = [key for key in keys if self._is_plain(key)]
        if not plain:
            return self._hot.read(keys, within_s)
        others = [key for key in keys if not self._is_plain(key)]
        found = dict(zip(others, self._hot.read(others, within_s), strict=True))
        found |= zip(plain, map(self._packed, plain, self._hot.all_documented(plain)), strict=True)
        return [found[key] for key in keys]

    def documented(self, key: str) -> Value | None:
        return self._hot.documented(key)

    def all_documented(self, keys: Sequence[str]) -> Sequence[Value | None]:
        return self._hot.all_documented(keys)

    def exist(self, keys: Sequence[str]) -> Sequence[bool]:
        return self._hot.exist(keys)

    def deleted(self, keys: Mapping[str, int | None]) -> Sequence[bool]:
        return self._hot.deleted(keys)

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        return self._hot.write(writes)

    def delete(self, keys: Sequence[str]) -> None:
        self._hot.delete(keys)

    def forsake(self, keys: Sequence[str]) -> Sequence[bool]:
        return self._hot.forsake(keys)

    def scan(self, pattern: str) -> Iterator[str]:
        return self._hot.scan(pattern)

    def scan_packed(self, pattern: str) -> Iterator[str]:
        return self._hot.scan_packed(pattern)

    def publish(self, channel: str, messages: Sequence[str]) -> None:
        self._hot.publish(channel, messages)

    def messages(self, channels: Sequence[str], wait_s: float) -> Iterator[tuple[str, str]]:
        return self._hot.messages(channels, wait_s)

    def close(self) -> None:
        self._hot.close()

    def _is_plain(self, key: str) -> bool:
        family, _ = self._folder.keys.parsed(key) or ("", "")
        return family in self._plain

    def _packed(self, key: str, value: Value | None) -> bytes | None:
        """What cannot be packed is as unreadable as a packed form that is none."""
        if value is None:
            return None
        try:
            return self._current_packer().packed(key, value, Stamp(0, self._now_ms(), 0))
        except InvalidRequest:
            return NO_PACKED

    def _current_packer(self) -> Packer:
        """What was published and cannot be read leaves the one that stands. Raises Unavailable where none does."""
        try:
            now = (generations.current(self._folder.ids), generations.current(self._folder.snapshot))
            if self._packer is None or now != self._packed_by:
                # Also where it fails: it is not tried again for each key, but with the next generation.
                self._packed_by = now
                self._packer = packer_of(self._folder)
        except (Internal, InvalidRequest) as error:
            if self._packer is None:
                raise Unavailable(error.message) from error
        return self._packer
