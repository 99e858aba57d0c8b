"""Callers that wait for nobody: requests over HTTP/1.1 leave at their times, whatever became of those before.

A process of its own sends bytes that were made before it began, so that a thousand calls a second cost a tenth of a
core. A call's time counts from when it was due: a generator that is late hides nothing. For comparison the same callers
can take turns, each with its next request when its last is answered.
"""

import asyncio
import itertools
import json
import multiprocessing
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BEGIN_S = 1.0
"""In which processes start, before the first request is due."""
MARGIN_S = 1.0
MOST_CONNECTIONS = 2000
REFUSED = (429, 503)
"""Too much, and not now; anything else but 200 has failed."""


@dataclass(frozen=True, slots=True)
class Calls:
    address: str
    """host:port of HTTP."""
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        body = json.dumps(self.body)
        lines = {"host": self.address, "content-type": "application/json", "content-length": len(body), **self.headers}
        return "\r\n".join([f"POST {self.path} HTTP/1.1", *map(": ".join, _texts(lines)), "", body]).encode()


@dataclass(frozen=True, slots=True)
class Pace:
    """Either `per_s`, at times drawn by chance, or `callers` that take turns."""

    per_s: float = 0.0
    callers: int = 0
    seconds: float = 5.0
    """Of what counts. The load begins a second before, and ends a second after: a server that comes to rest shows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`times` are of answers, by status, in seconds since they were due."""

    seconds: float
    sent: int
    """What was due in these seconds; some may have no answer."""
    times: Mapping[int, Sequence[float]]

    @property
    def answered(self) -> Sequence[float]:
        return self.times.get(200, ())

    def good(self, within_s: float) -> int:
        return sum(one <= within_s for one in self.answered)

    @property
    def refused(self) -> int:
        return sum(len(self.times.get(status, ())) for status in REFUSED)

    @property
    def failed(self) -> int:
        """Without an answer, too."""
        return self.sent - len(self.answered) - self.refused


def percentile_ms(times: Sequence[float], percent: float) -> float:
    """NaN of none."""
    return float(np.percentile(np.array(times), percent)) * 1e3 if len(times) else float("nan")


class Generators:
    """Processes that begin together."""

    def __init__(self, processes: int) -> None:
        self._pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))

    def run(self, *plans: tuple[Calls, Pace]) -> Sequence[Outcome]:
        begin = time.monotonic() + BEGIN_S
        running: list[Future[Outcome]] = [self._pool.submit(generate, *plan, begin) for plan in plans]
        return [one.result() for one in running]

    def close(self) -> None:
        self._pool.shutdown()


def generate(calls: Calls, pace: Pace, begin: float) -> Outcome:
    """`begin` is of time.monotonic(), the same for all processes of a machine."""
    return asyncio.run(_Generator(calls, pace, begin).run())


class _Generator:
    def __init__(self, calls: Calls, pace: Pace, begin: float) -> None:
        host, _, port = calls.address.rpartition(":")
        self._host, self._port = host, int(port)
        self._request = calls.encoded()
        self._pace, self._begin, self._end = pace, begin, begin + pace.seconds + 2 * MARGIN_S
        self._idle: list[_Connection] = []
        self._open = self._waiting = self._sent = 0
        self._times: dict[int, list[float]] = {}

    async def run(self) -> Outcome:
        await asyncio.sleep(max(0.0, self._begin - time.monotonic()))
        async with asyncio.TaskGroup() as opening:
            if self._pace.callers:
                for _ in range(self._pace.callers):
                    opening.create_task(self._send(time.monotonic()))
            else:
                await self._send_at_their_times(opening)
        # What is answered later than this is lost to everybody.
        for _ in range(50):
            if not self._waiting:
                break
            await asyncio.sleep(0.1)
        return Outcome(self._pace.seconds, self._sent, self._times)

    async def _send_at_their_times(self, opening: asyncio.TaskGroup) -> None:
        chance = random.Random(1)
        due = self._begin
        for number in itertools.count():
            due += chance.expovariate(self._pace.per_s)
            if due > self._end:
                return
            ahead = due - time.monotonic()
            if ahead > 0 or number % 20 == 0:
                await asyncio.sleep(max(0.0, ahead))
            if self._idle:
                self._send_by(self._idle.pop(), due)
            else:
                opening.create_task(self._send(due))

    async def _send(self, due: float) -> None:
        """On a new connection; where there are too many, not at all."""
        if self._open == MOST_CONNECTIONS:
            self._sent += self._counts(due)
            return
        self._open += 1
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
        self._send_by(connection, due)

    def _send_by(self, connection: "_Connection", due: float) -> None:
        self._sent += self._counts(due)
        self._waiting += 1
        connection.send(self._request, due)

    def _counts(self, due: float) -> bool:
        return self._begin + MARGIN_S <= due < self._end - MARGIN_S

    def answered(self, connection: "_Connection", status: int, due: float) -> None:
        now = time.monotonic()
        self._waiting -= 1
        if self._counts(due):
            self._times.setdefault(status, []).append(now - due)
        if self._pace.callers and now < self._end:
            self._send_by(connection, now)
        else:
            self._idle.append(connection)

    def lost(self, connection: "_Connection") -> None:
        self._open -= 1
        self._waiting -= connection.waiting
        if connection in self._idle:
            self._idle.remove(connection)


class _Connection(asyncio.Protocol):
    """One call at a time. Reads just what Triton and Envoy answer with: a status, a length, a body."""

    def __init__(self, owner: _Generator) -> None:
        self._owner = owner
        self._received = b""
        self._due = 0.0
        self.waiting = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._owner.lost(self)

    def send(self, request: bytes, due: float) -> None:
        self._due, self.waiting = due, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator and len(body) >= _length(head):
            self._received, self.waiting = b"", False
            self._owner.answered(self, int(head[9:12]), self._due)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


def _texts(lines: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    return [(name, str(value)) for name, value in lines.items()]
