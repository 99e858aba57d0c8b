"""Hot features of one process, for tests; nothing expires."""

import queue
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from conch.contracts.features import HEADER_BYTES
from conch.stores.features import BREAK, SILENCE, HotFeatures, Value, Write
from conch.stores.stamps import is_newer


class MemoryFeatures(HotFeatures):
    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.blobs: dict[str, bytes] = {}
        self.reads = 0
        """Waves, however many keys each had."""
        self._alone: set[str] = set()
        """Packed without a documented key, for a time."""
        self._listeners: list[tuple[frozenset[str], queue.Queue[tuple[str, str]]]] = []

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        self.reads += bool(keys)
        return [self.blobs.get(key) for key in keys]

    def documented(self, key: str) -> Value | None:
        return self.values.get(key)

    def all_documented(self, keys: Sequence[str]) -> Sequence[Value | None]:
        return [self.documented(key) for key in keys]

    def exist(self, keys: Sequence[str]) -> Sequence[bool]:
        return [self.documented(key) is not None for key in keys]

    def deleted(self, keys: Mapping[str, int | None]) -> Sequence[bool]:
        gone = [key not in self.values and len(self.blobs.get(key, b"")) > HEADER_BYTES for key in keys]
        return [key not in self._alone and is_gone for key, is_gone in zip(keys, gone, strict=True)]

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        return [self._write(write) for write in writes]

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.values.pop(key, None)
            self.blobs.pop(key, None)

    def forsake(self, keys: Sequence[str]) -> Sequence[bool]:
        gone = [key not in self.values for key in keys]
        for key, is_gone in zip(keys, gone, strict=True):
            if is_gone:
                self.blobs.pop(key, None)
        return gone

    def scan(self, pattern: str) -> Iterator[str]:
        yield from [key for key in self.values if fnmatchcase(key, pattern)]

    def scan_packed(self, pattern: str) -> Iterator[str]:
        yield from [key for key in self.blobs if fnmatchcase(key, pattern)]

    def publish(self, channel: str, messages: Sequence[str]) -> None:
        for channels, waiting in self._listeners:
            if channel in channels:
                for message in messages:
                    waiting.put((channel, message))

    def break_off(self) -> None:
        """As when a server restarts: who listens learns that he may have missed something."""
        for _, waiting in self._listeners:
            waiting.put(BREAK)

    def messages(self, channels: Sequence[str], wait_s: float) -> Iterator[tuple[str, str]]:
        # Listening begins with the call, not with the first message that is asked for.
        waiting: queue.Queue[tuple[str, str]] = queue.Queue()
        self._listeners.append((frozenset(channels), waiting))
        return self._messages(waiting, wait_s)

    def close(self) -> None:
        pass

    @staticmethod
    def _messages(waiting: "queue.Queue[tuple[str, str]]", wait_s: float) -> Iterator[tuple[str, str]]:
        while True:
            try:
                yield waiting.get(timeout=wait_s)
            except queue.Empty:
                yield SILENCE

    def _write(self, write: Write) -> bool:
        if is_newer(self.blobs.get(write.key), write.packed):
            return False
        self.blobs[write.key] = write.packed
        stands_alone = write.value is None and write.ttl_s is not None and write.key not in self.values
        (self._alone.add if stands_alone else self._alone.discard)(write.key)
        if write.value is not None:
            self.values[write.key] = write.value
        return True
