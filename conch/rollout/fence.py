"""Which holder of the lock comes after which: an epoch that steps with each, and stops those whose time is over.

An flock ends with its holder. A file that was deleted, a disk that was brought back or a network file system may give
it to two all the same; then the one with the smaller epoch may change nothing any more.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from conch.contracts.errors import Internal
from conch.durable import write_text
from conch.rollout.refusals import Overthrown

_held: ContextVar["Fence | None"] = ContextVar("held", default=None)


@dataclass(frozen=True, slots=True)
class Fence:
    path: Path
    """Holds the greatest epoch that was given out."""
    epoch: int

    def check(self) -> int:
        """Raises Overthrown where somebody has come after."""
        if (newest := _read(self.path)) != self.epoch:
            raise Overthrown(f"epoch {newest} has begun, this change is of epoch {self.epoch}")
        return self.epoch


@contextlib.contextmanager
def next_epoch(path: Path) -> Iterator[Fence]:
    """For as long as the context is open, `fenced` is of it; the caller holds the lock."""
    fence = Fence(path, _read(path) + 1)
    write_text(path, f"{fence.epoch}\n")
    before = _held.set(fence)
    try:
        yield fence
    finally:
        _held.reset(before)


def fenced() -> int | None:
    """The epoch of what this task is about to change; None where it holds no lock. Raises Overthrown."""
    fence = _held.get()
    return fence.check() if fence is not None else None


def _read(path: Path) -> int:
    try:
        return int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except ValueError as error:
        raise Internal(f"{path} holds no epoch: {error}") from error
