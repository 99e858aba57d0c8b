"""A crowd that loads and unloads one model: Triton's own tests do it with 32 threads, 1,024 times."""

import asyncio
import contextlib
from pathlib import Path

from conch.clients.triton_http import Unanswered
from conch.clients.triton_loads import TritonLoads
from conch.stack.serving import Server

CONFIG = """
name: "spare"
backend: "python"
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
ENTRY_POINT = """
class TritonPythonModel:
    def execute(self, requests):
        return []
"""
DEADLINE_S = 60.0


def write_spare(models: Path) -> None:
    """Light: what is tried is Triton."""
    version = models / "spare/1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(ENTRY_POINT)
    (version.parent / "config.pbtxt").write_text(CONFIG)


async def crowd_that_loads(server: Server, threads: int, times: int, at_once: int) -> None:
    """Each loads and unloads it so often. That one is refused beside another is no fault; in the end it is unloaded.

    `at_once` 1 is what rollout's lock makes of any crowd: Triton 2.51 can end when several load and unload one model.
    """
    loads = TritonLoads(server.grpc)
    room = asyncio.Semaphore(at_once)

    async def one() -> None:
        for _ in range(times):
            async with room:
                with contextlib.suppress(Unanswered):
                    await loads.load("spare", DEADLINE_S)
                with contextlib.suppress(Unanswered):
                    await loads.unload("spare", DEADLINE_S)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(threads):
            tasks.create_task(one())
    assert await loads.load("spare", DEADLINE_S) == ""
    assert await loads.unload("spare", DEADLINE_S) == ""
