"""A circuit breaker: a store that has failed often is left alone for a while, so that nobody waits for it in vain."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from conch.contracts.errors import DeadlineExceeded, Unavailable

FAILURES = 3
OPEN_S = 1.0

Result = TypeVar("Result")


class Breaker:
    """Closed; open after FAILURES in a row; after OPEN_S one call alone tries, and its end decides."""

    def __init__(
        self,
        name: str,
        *,
        failures: int = FAILURES,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._most = failures
        self._open_s = open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._opened = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        with self._lock:
            return self._failed >= self._most

    def run(self, call: Callable[[], Result]) -> Result:
        """Raises Unavailable without a call where it is open. What is no failure of the store goes uncounted."""
        probing = self._enter()
        failed: bool | None = None
        try:
            result = call()
            failed = False
        except (Unavailable, DeadlineExceeded):
            failed = True
            raise
        finally:
            self._leave(failed, probing)
        return result

    def _enter(self) -> bool:
        """Whether this call is the one that tries."""
        with self._lock:
            if self._failed < self._most:
                return False
            if self._probing or self._clock() - self._opened < self._open_s:
                raise Unavailable(f"{self.name} failed {self._failed} times in a row and is left alone for a while")
            self._probing = True
            return True

    def _leave(self, failed: bool | None, probing: bool) -> None:
        with self._lock:
            # Calls from before it opened end late; they are not the one that tries.
            if probing:
                self._probing = False
            if failed:
                self._failed += 1
                self._opened = self._clock()
            elif failed is False:
                self._failed = 0
