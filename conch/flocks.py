"""Who does what only one may do: an flock, which ends with the process that holds it, however that ends.

The file is never removed: two would hold two.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def held(path: Path, taken: Callable[[str], Exception]) -> Iterator[None]:
    """Raises `taken` of the pid of who holds it, without waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise taken(who) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


@contextlib.contextmanager
def awaited(path: Path) -> Iterator[None]:
    """Waits for who holds it: a change of a small file. Its folder must be there."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
