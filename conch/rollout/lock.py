"""One publisher or controller at a time: an flock, which ends with the process that holds it, however that ends."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from conch.flocks import held
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
    """Raises Busy, which calls whoever holds it `holder`."""

    def busy(who: str) -> Busy:
        return Busy(f"{holder} (pid {who}) is at work in {path.parent.parent}; try again")

    with held(path, busy):
        yield
