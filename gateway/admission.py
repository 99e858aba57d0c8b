"""How many calls run at once: the next one is refused at once, not queued, so that waiting stays bounded."""

import contextlib
from collections.abc import Iterator

from conch.contracts.errors import TooMuch

RETRY_AFTER_S = 1.0


class Admission:
    def __init__(self, most: int, what: str = "calls") -> None:
        self._most = most
        self._what = what
        self._running = 0

    @property
    def what(self) -> str:
        """That there may be too many of."""
        return self._what

    @property
    def running(self) -> int:
        return self._running

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        if self._running >= self._most:
            raise TooMuch(f"{self._running} {self._what} are running, at most {self._most} may", RETRY_AFTER_S)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
