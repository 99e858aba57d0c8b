"""Callers in a process of their own who ask one model all the time, and when each call was sent and answered.

Whatever the benchmark itself does meanwhile takes none of their time but the processor's. Times are time.monotonic(),
which all processes of a machine share.
"""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Self

import numpy as np

from conch.clients.inference import Arrays, CallOptions
from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError

_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Call:
    sent: float
    done: float
    error: str = ""

    @property
    def ms(self) -> float:
        return (self.done - self.sent) * 1e3


@dataclass(frozen=True, slots=True)
class Span:
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Asked:
    address: str
    model: str
    inputs: Arrays
    callers: int = 4
    pause_s: float = 0.01
    """Between an answer and the next call: a load that the machine can bear beside what is measured."""


class Callers:
    """`with Callers(asked) as callers: …; calls = callers.end()`."""

    def __init__(self, asked: Asked) -> None:
        self._stop = _PROCESSES.Event()
        self._calls, theirs = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_run, args=(asked, self._stop, theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._calls.recv()  # the first answers have come
        return self

    def end(self) -> list[Call]:
        """All calls, as they were answered."""
        self._stop.set()
        return sorted((Call(*call) for call in self._calls.recv()), key=lambda call: call.done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._process.join(timeout=10)
        self._process.kill()


def within(calls: Sequence[Call], spans: Sequence[Span]) -> list[Call]:
    """Those that were on their way in one of them."""
    return [call for call in calls if any(call.sent <= one.ended and call.done >= one.began for one in spans)]


def largest_gap_ms(calls: Sequence[Call], spans: Sequence[Span]) -> float:
    """The longest that nobody was answered in one of them, in part at least."""
    answers = [call.done for call in calls if not call.error]
    gaps = [
        after - before
        for before, after in itertools.pairwise(answers)
        if any(before <= one.ended and after >= one.began for one in spans)
    ]
    return max(gaps, default=float("nan")) * 1e3


def percentile_ms(calls: Sequence[Call], q: float) -> float:
    times = [call.ms for call in calls if not call.error]
    return float(np.percentile(times, q)) if times else float("nan")


def _run(asked: Asked, stop: Event, told: "Connection[object, object]") -> None:
    asyncio.run(_ask(asked, stop, told))


async def _ask(asked: Asked, stop: Event, told: "Connection[object, object]") -> None:
    calls: list[tuple[float, float, str]] = []

    async def caller(inference: TritonInference) -> None:
        while not stop.is_set():
            sent, error = time.monotonic(), ""
            try:
                await inference.infer(asked.model, asked.inputs, call=CallOptions(deadline_s=60))
            except ConchError as failed:
                error = f"{type(failed).__name__}: {failed.message}"
            calls.append((sent, time.monotonic(), error))
            await asyncio.sleep(asked.pause_s)

    async with TritonInference(asked.address) as inference:
        while True:  # a channel's first attempts may fail on a busy machine
            try:
                await inference.infer(asked.model, asked.inputs, call=CallOptions(deadline_s=60))
                break
            except ConchError:
                await asyncio.sleep(0.1)
        told.send(None)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(asked.callers):
                tasks.create_task(caller(inference))
    told.send(calls)
