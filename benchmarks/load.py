"""A closed loop of callers: each sends its next request when its last is answered, until the time or the work is up."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

import numpy as np

T = TypeVar("T")

Call = Callable[[T], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Load:
    concurrency: int
    requests: int
    p50_ms: float
    p99_ms: float
    per_s: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


async def closed_loop(call: Call[T], given: Sequence[T], concurrency: int, seconds: float) -> Load:
    """The first fifth of the time warms up and is not counted."""
    begin = time.perf_counter()
    counted_from, end = begin + seconds / 5, begin + seconds
    times: list[float] = []
    turn = itertools.cycle(given)

    async def caller() -> None:
        while (sent := time.perf_counter()) < end:
            await call(next(turn))
            if sent >= counted_from:
                times.append(time.perf_counter() - sent)

    async with asyncio.TaskGroup() as callers:
        for _ in range(concurrency):
            callers.create_task(caller())
    return summary(times, concurrency, time.perf_counter() - counted_from)


async def once_through(call: Call[T], given: Sequence[T], concurrency: int) -> Load:
    """Each of `given` once: so that whoever is measured does the same work."""
    times: list[float] = []
    turn = iter(given)

    async def caller() -> None:
        for one in turn:
            sent = time.perf_counter()
            await call(one)
            times.append(time.perf_counter() - sent)

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as callers:
        for _ in range(concurrency):
            callers.create_task(caller())
    return summary(times, concurrency, time.perf_counter() - begin)


def median(rounds: Sequence[Load]) -> Load:
    """Of each figure."""
    return Load(*(statistics.median(getattr(one, field.name) for one in rounds) for field in fields(Load)))


def loop(call: Callable[[str], None], texts: Sequence[str], seconds: float) -> Load:
    """One caller that waits for nobody: the model alone."""
    begin = time.perf_counter()
    counted_from, end = begin + seconds / 5, begin + seconds
    times: list[float] = []
    for text in itertools.cycle(texts):
        sent = time.perf_counter()
        if sent >= end:
            break
        call(text)
        if sent >= counted_from:
            times.append(time.perf_counter() - sent)
    return summary(times, 1, time.perf_counter() - counted_from)


def summary(times: Sequence[float], concurrency: int, seconds: float) -> Load:
    p50, p99 = np.percentile(np.array(times) * 1e3, (50, 99))
    return Load(concurrency, len(times), float(p50), float(p99), len(times) / seconds)
