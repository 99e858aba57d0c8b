"""Attempts to read the files of a catalogue, which may be damaged: one catalogue's damage is no other one's."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from conch.contracts.errors import ConchError, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Damaged(Unavailable):
    """Files of the caller's catalogue cannot be read. They are tried again, and it is served when they are mended."""


class Attempts:
    """At one catalogue's files."""

    def __init__(self, catalogue: str, again_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """What failed is not tried again before `again_s` has passed."""
        self._catalogue, self._again_s, self._clock = catalogue, again_s, clock
        self._failed: Damaged | None = None
        self._until = 0.0

    @property
    def why(self) -> str:
        """What the last one failed by; empty where it did not."""
        return self._failed.message if self._failed is not None else ""

    def run(self, work: Callable[[], T]) -> T:
        """Raises Damaged, which the log is told of when it is another than before."""
        if self._failed is not None and self._clock() < self._until:
            raise Damaged(self.why)
        try:
            done = work()
        except (ConchError, OSError) as error:
            message = f"catalogue {self._catalogue} cannot be read: {_told(error)}"
            if message != self.why:
                logger.error("%s", message)
            self._failed, self._until = Damaged(message), self._clock() + self._again_s
            raise self._failed from error
        if self._failed is not None:
            logger.warning("catalogue %s can be read again", self._catalogue)
        self._failed = None
        return done


def _told(error: ConchError | OSError) -> str:
    """Without the folders in which the files lie."""
    if isinstance(error, ConchError):
        return error.message
    name = str(error.filename or "").rpartition("/")[2]
    return f"{name}: {error.strerror or type(error).__name__}"
