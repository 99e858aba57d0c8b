"""Shoppers who call KServe's ModelInfer or another method over gRPC: at their times, or each when its last call is
answered.

A process of its own sends messages that were made before it began, and reads of an answer only whether it came. A
call's time counts from when it was due: a generator that is late hides nothing.
"""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

METHOD = "/inference.GRPCInferenceService/ModelInfer"
BEGIN_S = 1.0
MARGIN_S = 1.0
"""Before what counts, and after it: the load does not begin and end with it."""
DEADLINE_S = 10.0
CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """Either `per_s`, at times drawn by chance, or `callers` that take turns."""

    per_s: float = 0.0
    callers: int = 0
    seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class Outcome:
    seconds: float
    times_s: Sequence[float]
    """Of answers, since they were due."""
    failed: int
    cpu_s: float
    """Of the generator, for a second of its load."""


def infer_bytes(model: str, texts: dict[str, Sequence[str]], outputs: Sequence[str]) -> bytes:
    """A ModelInferRequest of BYTES tensors [1, n]."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, values in texts.items():
        request.inputs.add(name=name, datatype="BYTES", shape=[1, len(values)])
        encoded = [value.encode() for value in values]
        request.raw_input_contents.append(b"".join(len(one).to_bytes(4, "little") + one for one in encoded))
    for name in outputs:
        request.outputs.add(name=name)
    return bytes(request.SerializeToString())


def shopped(address: str, requests: Sequence[bytes], pace: Pace, method: str = METHOD) -> Outcome:
    """In a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(generate, address, requests, pace, method).result()


def generate(address: str, requests: Sequence[bytes], pace: Pace, method: str = METHOD) -> Outcome:
    return asyncio.run(_Generator(requests, pace, method).run(address))


class _Generator:
    def __init__(self, requests: Sequence[bytes], pace: Pace, method: str) -> None:
        self._requests, self._pace, self._method = requests, pace, method
        self._times: list[float] = []
        self._failed = self._number = 0

    async def run(self, address: str) -> Outcome:
        channels = [
            grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(CONNECTIONS)
        ]
        self._calls: list[Any] = [channel.unary_unary(self._method) for channel in channels]
        await asyncio.gather(*(call(self._requests[0], timeout=DEADLINE_S) for call in self._calls))
        begin = time.monotonic() + BEGIN_S
        self._from, self._until = begin + MARGIN_S, begin + MARGIN_S + self._pace.seconds
        end = self._until + MARGIN_S
        await asyncio.sleep(BEGIN_S)
        worked, began = time.process_time(), time.monotonic()
        async with asyncio.TaskGroup() as running:
            if self._pace.callers:
                for _ in range(self._pace.callers):
                    running.create_task(self._take_turns(end))
            else:
                await self._at_their_times(running, begin, end)
        cpu_s = (time.process_time() - worked) / (time.monotonic() - began)
        for channel in channels:
            await channel.close()
        return Outcome(self._pace.seconds, self._times, self._failed, cpu_s)

    async def _take_turns(self, end: float) -> None:
        while (now := time.monotonic()) < end:
            await self._call(now)

    async def _at_their_times(self, running: asyncio.TaskGroup, begin: float, end: float) -> None:
        chance, due = random.Random(1), begin
        while (due := due + chance.expovariate(self._pace.per_s)) < end:
            if (ahead := due - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            running.create_task(self._call(due))

    async def _call(self, due: float) -> None:
        self._number += 1
        request = self._requests[self._number % len(self._requests)]
        counts = self._from <= due < self._until
        try:
            await self._calls[self._number % CONNECTIONS](request, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError:
            self._failed += counts
        else:
            if counts:
                self._times.append(time.monotonic() - due)
