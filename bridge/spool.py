"""Audio on disk from its acknowledgement to its decision: a log in segments, one for all devices.

Many appends share one fsync. Segments are deleted from the oldest, when nothing in one is needed; a new one begins with
the latest mark of every device, so that deleting loses none. Not thread-safe, but for sync().
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.records import Mark, Record, Spooled, decode, encode, size_at
from conch.contracts.errors import TooMuch, Unavailable

HEAD_BYTES = 768
"""Of a record, beside its audio, at most."""


class SpoolFull(TooMuch):
    """No room: what came must not be acknowledged."""


@dataclass(slots=True, eq=False)
class Segment:
    path: Path
    descriptor: int
    size: int = 0
    needed: int = 0
    """Chunks in it that are not decided."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies, until it is released."""

    segment: Segment = field(repr=False)
    at: int
    size: int


class Spool:
    def __init__(self, folder: Path, max_bytes: int, segment_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max_bytes // 4)
        """A quarter: with the newest segment never deleted, the rest must still be able to hold something."""
        self._segments: deque[Segment] = deque()
        self._unsynced: set[Segment] = set()
        self._number = 0
        self.bytes = 0

    def open(self) -> Iterator[tuple[Record, Place]]:
        """What is left from before, in the order it came. Whoever does not need a chunk releases its place."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.log")):
            self._number = int(path.stem)
            yield from self._read(path)

    def begin(self, marks: Iterable[Mark]) -> None:
        """After open(): a segment of its own for what comes."""
        self._roll(marks)
        self._forget()

    def check_room(self, size: int) -> None:
        """For a chunk of so many bytes; raises SpoolFull."""
        if self.bytes + size + HEAD_BYTES > self._max_bytes:
            raise SpoolFull(f"the spool holds {self.bytes} bytes, {size} more are over its {self._max_bytes}")

    def append(self, record: Record, marks: Callable[[], Iterable[Mark]]) -> Place:
        """`marks` are the latest of every device. Whoever appends a chunk has called check_room()."""
        data = encode(record)
        if self._segments[-1].size >= self._segment_bytes:
            self._roll(marks())
        return self._write(data, needed=isinstance(record, Spooled))

    def read(self, place: Place) -> Record:
        return decode(os.pread(place.segment.descriptor, place.size, place.at))

    def release(self, place: Place) -> None:
        """The chunk there is decided, or thrown away."""
        place.segment.needed -= 1
        self._forget()

    def sync(self) -> Callable[[], None]:
        """What to call, in a thread: after it, all that was appended before this call outlives a crash."""
        dirty = [os.dup(segment.descriptor) for segment in self._unsynced]
        self._unsynced.clear()

        def flush() -> None:
            for descriptor in dirty:
                try:
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)

        return flush

    def close(self) -> None:
        for segment in self._segments:
            os.close(segment.descriptor)
        self._segments.clear()

    def _read(self, path: Path) -> Iterator[tuple[Record, Place]]:
        data = path.read_bytes()
        segment = Segment(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))
        self._segments.append(segment)
        while size := size_at(data, segment.size):
            record = decode(data, segment.size)
            place = Place(segment, segment.size, size)
            segment.size += size
            self.bytes += size
            segment.needed += isinstance(record, Spooled)
            yield record, place
        os.ftruncate(segment.descriptor, segment.size)

    def _roll(self, marks: Iterable[Mark]) -> None:
        self._number += 1
        path = self._folder / f"{self._number:012d}.log"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._segments.append(Segment(path, descriptor))
            for mark in marks:
                self._write(encode(mark), needed=False)
            os.fdatasync(descriptor)
            # Only then are the older marks' files free to go.
            _sync_folder(self._folder)
        except OSError as error:
            raise Unavailable(f"the spool in {self._folder} cannot be written: {error.strerror}") from error

    def _write(self, data: bytes, *, needed: bool) -> Place:
        segment = self._segments[-1]
        place = Place(segment, segment.size, len(data))
        try:
            written = os.pwrite(segment.descriptor, data, segment.size)
        except OSError as error:
            raise Unavailable(f"the spool in {self._folder} cannot be written: {error.strerror}") from error
        if written != len(data):
            raise Unavailable(f"the spool in {self._folder} took {written} bytes of {len(data)}")
        segment.size += len(data)
        segment.needed += needed
        self.bytes += len(data)
        self._unsynced.add(segment)
        return place

    def _forget(self) -> None:
        while len(self._segments) > 1 and not self._segments[0].needed:
            segment = self._segments.popleft()
            self._unsynced.discard(segment)
            self.bytes -= segment.size
            os.close(segment.descriptor)
            with contextlib.suppress(FileNotFoundError):
                segment.path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
