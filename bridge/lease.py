"""One bridge at a time for a folder: a lock of the kernel's, which ends with its process however that ends.

Whoever has no lease has neither the spool nor the outbox open, and no connection to the broker.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from conch.contracts.errors import Unavailable

LOOK_S = 0.2


class Lease:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "lease"
        self.held = False

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Unavailable where another bridge has it."""
        with self._opened() as descriptor:
            if not self._lock(descriptor):
                owner = self._path.read_text() or "of somebody else"
                raise Unavailable(f"process {owner} has {self._path.parent} already; a second one waits as standby")
            yield

    @contextlib.asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """As soon as no other bridge has it."""
        with self._opened() as descriptor:
            while not self._lock(descriptor):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(LOOK_S)
            yield

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            self.held = False
            os.close(descriptor)

    def _lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self.held = True
        return True
