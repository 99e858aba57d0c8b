"""When a failed call is tried again: only if it may be, if it could help, if there is time, and if others did not.

gRPC's own retries are not asked: they end with the first header of an answer, which our gateway sends before it
begins, and with the first 256 KiB of a request, eight seconds of audio; and they do not know `retry-after`.
"""

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from conch.contracts.errors import ConchError, InvalidRequest, TooMuch, Unavailable

Clock = Callable[[], float]
Draw = Callable[[], float]
"""From 0 to 1."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Waits double from attempt to attempt, and each is drawn from nothing to that; `retry-after` comes on top."""

    attempts: int = 3
    """Of one call, the first included; 1 tries nothing again."""
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0
    """A server that asks for more is not waited for: its TooMuch is raised at once."""
    share: float = 0.1
    """How many retries each call adds to the client's budget: so many of its calls may be retries, in the long run."""
    reserve: float = 10.0
    """Retries in the budget at the start, and at most."""


class Budget:
    """Retries that all calls of a client may still make; when it is empty, errors are raised as they come."""

    def __init__(self, retries: Retries) -> None:
        self._share = retries.share
        self._most = retries.reserve
        self._left = retries.reserve
        self._lock = threading.Lock()

    def earn(self) -> None:
        with self._lock:
            self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        with self._lock:
            # A share such as 0.1 has no exact sum: ten of them are a retry all the same.
            if self._left < 1 - 1e-9:
                return False
            self._left -= 1
            return True


class Attempts:
    """Those of one call."""

    def __init__(
        self,
        retries: Retries,
        budget: Budget,
        timeout_s: float,
        *,
        idempotent: bool,
        clock: Clock = time.monotonic,
        draw: Draw = random.random,
    ) -> None:
        if not math.isfinite(timeout_s):
            raise InvalidRequest(f"timeout_s is {timeout_s}, a call ends after a finite number of seconds")
        self._retries = retries
        self._budget = budget
        self._idempotent = idempotent
        self._clock = clock
        self._draw = draw
        self._ends_at_s = clock() + timeout_s
        self._made = 1
        budget.earn()

    @property
    def left_s(self) -> float:
        return self._ends_at_s - self._clock()

    def pause_s(self, error: ConchError) -> float:
        """Seconds to wait before the next attempt; raises the error where there shall be none."""
        wait_s = self._wait_s(error)
        if wait_s is None or wait_s >= self.left_s or not self._budget.spend():
            raise error
        self._made += 1
        return wait_s

    def _wait_s(self, error: ConchError) -> float | None:
        if not self._idempotent or self._made >= self._retries.attempts:
            return None
        longest_s = self._retries.longest_wait_s
        backoff_s = self._draw() * min(longest_s, self._retries.first_wait_s * 2.0 ** (self._made - 1))
        if isinstance(error, Unavailable):
            return backoff_s
        # Without a time it is too much for good, such as a message that is too large.
        if isinstance(error, TooMuch) and error.retry_after_s is not None:
            return error.retry_after_s + backoff_s if error.retry_after_s <= longest_s else None
        return None
