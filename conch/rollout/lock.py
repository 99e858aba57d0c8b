"""One publisher or controller at a time: an flock, which ends with the process that holds it, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from conch.rollout.fence import Fence, next_epoch
from conch.rollout.refusals import Busy


@contextlib.contextmanager
def holding(path: Path) -> Iterator[Fence]:
    """The right to change what is live. Raises Busy, with the pid of who holds it, without waiting.

    Beside the file stands the epoch, which steps: what is written in the context is of the new one.
    """
    with locked(path, "another publisher"), next_epoch(path.with_name("epoch")) as fence:
        yield fence


@contextlib.contextmanager
def locked(path: Path, holder: str) -> Iterator[None]:
    """Raises Busy, which calls whoever holds it `holder`. The file is never removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise Busy(f"{holder} (pid {who}) is at work in {path.parent.parent}; try again") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
