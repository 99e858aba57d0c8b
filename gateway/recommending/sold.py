"""What the sales rollups say, where the hot store does not. What was read is remembered: a pane is a minute."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from conch.contracts.errors import Unavailable
from conch.contracts.keys import BEST_SELLERS_KEPT
from conch.stores.breaker import Breaker
from conch.stores.rollups import Rollups

REMEMBER_S = 15.0

REMEMBERED = 10_000
"""Categories."""

WAITING = 8
"""Categories that are asked for at once; the next one has no answer."""

Rows = Sequence[tuple[str, float]]
"""(pid, score), the best first."""

Answer = Future[Rows | None]
"""None: the rollups do not say."""


class Sold:
    """Of one catalogue. One question is under way at a time; who asks for the same waits for the same answer."""

    def __init__(
        self,
        rollups: Callable[[], Rollups],
        *,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`rollups` opens them, in a thread of their own and when they are first asked; it may raise Unavailable."""
        self._rollups = rollups
        self._opened: Rollups | None = None
        self._clock, self._now_ms = clock, now_ms
        self._breaker = Breaker("the sales rollups", clock=clock)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Rows]] = {}
        self._under_way: dict[str, Answer] = {}
        self._thread = ThreadPoolExecutor(1, "rollups")

    def best(self, category: str) -> Answer:
        """Whoever does not wait for it finds it remembered a moment later."""
        with self._lock:
            until, rows = self._known.get(category, (float("-inf"), ()))
            if self._clock() < until:
                return _ended(rows)
            if category not in self._under_way:
                if len(self._under_way) >= WAITING:
                    return _ended(None)
                self._under_way[category] = self._thread.submit(self._ask, category)
            return self._under_way[category]

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._opened is not None:
            self._opened.close()

    def _ask(self, category: str) -> Rows | None:
        try:
            rows = self._breaker.run(lambda: self._read(category))
        except Unavailable:
            return None
        else:
            self._remember(category, rows)
            return rows
        finally:
            with self._lock:
                del self._under_way[category]

    def _remember(self, category: str, rows: Rows) -> None:
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[category] = self._clock() + REMEMBER_S, rows

    def _read(self, category: str) -> Rows:
        if self._opened is None:
            self._opened = self._rollups()
        return self._opened.best_sellers(category, self._now_ms(), BEST_SELLERS_KEPT)


def _ended(rows: Rows | None) -> Answer:
    ended = Answer()
    ended.set_result(rows)
    return ended
