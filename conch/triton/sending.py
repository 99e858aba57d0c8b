"""A thread that sends what a model has counted, so that no request waits for it."""

import logging
import threading
from collections.abc import Callable

from conch.triton.counts import Counts, Series

logger = logging.getLogger(__name__)

EVERY_S = 0.25
"""At most; the first after a pause goes at once."""

Increment = Callable[[Series, float], None]


class Sending:
    """Holds nothing back but sums, so it cannot fill up; what cannot be sent is gone, and a log line says so."""

    def __init__(self, counts: Counts, increment: Increment, every_s: float = EVERY_S) -> None:
        self._counts = counts
        self._increment = increment
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """With all that has been counted so far."""
        self._ending.set()
        self._counts.changed.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._counts.changed.wait()
            self._counts.changed.clear()
            self._send()
            self._ending.wait(self._every_s)
        self._send()

    def _send(self) -> None:
        for series, value in self._counts.take().items():
            try:
                self._increment(series, value)
            except Exception:
                logger.exception("%s could not be counted", series.family)
