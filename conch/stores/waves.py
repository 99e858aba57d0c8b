"""Waves of reads: of the hot store and the durable one, each behind a breaker and within the time its batch has left.

Half of that, so that whoever answers in a store's place has some; the durable store, which is asked last, has all.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from conch.contracts.errors import Unavailable
from conch.stores.breaker import Breaker
from conch.stores.features import HotFeatures

FAIR_S = 0.02
"""A store that had less time, and did not answer, has not failed for that."""

Blobs = Sequence[bytes | None]


class DurableBlobs(Protocol):
    """What is read of durable relations (relations.py)."""

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Blobs: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wave:
    blobs: Blobs
    """In order; None for what is not there, and for all where the store is away."""
    away: bool = False
    emptied: bool = False
    """The hot store answers, and does not say that it was ever filled."""


class Waves:
    """Used by one thread. A wave is one read of one store, or of both at once."""

    def __init__(
        self,
        hot: HotFeatures | None,
        durable: DurableBlobs,
        kept: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hot` None: there is none, and nobody expects one. `kept` is the key that says that it was filled."""
        self._hot, self._durable, self._kept = hot, durable, kept
        self._hot_breaker = Breaker("Redis", clock=clock)
        self._durable_breaker = Breaker("the durable store", clock=clock)
        self._clock = clock
        # Two: what nobody waited for may still run.
        self._aside = ThreadPoolExecutor(2, thread_name_prefix="durable-relations")
        self.made = 0
        """Since this process began."""

    @property
    def has_hot(self) -> bool:
        return self._hot is not None

    def hot(self, keys: Sequence[str], until: float) -> Wave:
        """`until`, by the clock, is when all reads of the batch must be over."""
        if self._hot is None or not keys:
            return Wave([None] * len(keys))
        self.made += 1
        blobs = self._read(self._hot_breaker, self._hot.read, [*keys, self._kept], (until - self._clock()) / 2)
        if blobs is None:
            return Wave([None] * len(keys), away=True)
        return Wave(blobs[:-1], emptied=blobs[-1] is None)

    def both(self, hot: Sequence[str], durable: Sequence[str], until: float) -> tuple[Wave, Callable[[], Wave]]:
        """One wave: both stores are asked at once. Who needs no answer of the durable one need not wait for it."""
        if not durable:
            return self.hot(hot, until), lambda: Wave(())
        asked = self.beside(durable, until)
        return self.hot(hot, until), asked.result

    def beside(self, keys: Sequence[str], until: float) -> Future[Wave]:
        """The durable store's, while the caller does something else."""
        return self._aside.submit(self._read_durable, keys, until - self._clock())

    def durable(self, keys: Sequence[str], until: float) -> Wave:
        if not keys:
            return Wave(())
        self.made += 1
        return self._read_durable(keys, until - self._clock())

    def close(self) -> None:
        self._aside.shutdown()
        if self._hot is not None:
            self._hot.close()
        self._durable.close()

    def _read_durable(self, keys: Sequence[str], within_s: float) -> Wave:
        blobs = self._read(self._durable_breaker, self._durable.read, keys, within_s)
        return Wave(blobs) if blobs is not None else Wave([None] * len(keys), away=True)

    def _read(
        self,
        breaker: Breaker,
        read: Callable[[Sequence[str], float | None], Blobs],
        keys: Sequence[str],
        within_s: float,
    ) -> Blobs | None:
        """None where the store is away, or there is no time."""
        if within_s <= 0:
            return None
        given = within_s if within_s < math.inf else None
        try:
            if within_s >= FAIR_S or breaker.is_open:
                return breaker.run(lambda: read(keys, given))
            return read(keys, given)
        except Unavailable:
            return None
