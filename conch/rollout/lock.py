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
    """Raises Busy, with the pid of who holds it, without waiting. The file is never removed.

    Beside it stands the epoch, which steps: what is written in the context is of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise Busy(f"another publisher (pid {who}) is at work in {path.parent.parent}; try again") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        with next_epoch(path.with_name("epoch")) as fence:
            yield fence
    finally:
        os.close(descriptor)
