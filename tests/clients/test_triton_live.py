"""What only a real Triton has: a queue, with its bound, its deadlines and its priorities."""

# ruff: noqa: ASYNC240 - files are how the model in the other process is held and let go
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from conch.clients.inference import CallOptions, text_column
from conch.clients.triton import TritonInference
from conch.contracts.errors import DeadlineExceeded, TooMuch, Unavailable
from conch.contracts.specs import PRIORITY_BULK, PRIORITY_INTERACTIVE
from conch.stack.serving import Server

QUEUE = 8  # max_queue_size of the echo model


async def say(triton: TritonInference, text: str, call: CallOptions = CallOptions()) -> str:  # noqa: B008 - frozen
    return str((await triton.infer("echo", {"text": text_column(text)}, call=call))["said"][0, 0])


async def say_wide(triton: TritonInference, text: str, call: CallOptions = CallOptions()) -> None:  # noqa: B008
    """As wide as a batch may be, so that each such call is executed alone."""
    await triton.infer("echo", {"text": text_column(text, "", "", "")}, call=call)


@asynccontextmanager
async def busy(triton: TritonInference, gate: Path) -> AsyncIterator[None]:
    """The model's one instance is held, so that every other call queues; it is let go at the end."""
    started = gate.with_name("started")
    async with asyncio.TaskGroup() as group:
        group.create_task(triton.infer("echo", {"text": text_column(f"mark {started}", f"hold {gate}", "", "")}))
        await appears(started)
        try:
            yield
        finally:
            gate.touch()


async def appears(path: Path) -> None:
    async with asyncio.timeout(20):
        while not path.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.005)


async def queued(server: Server, count: int) -> None:
    """Until Triton itself counts that many requests in the echo model's queue."""
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while True:
            text = (await client.get(f"http://{server.metrics}/metrics")).text
            found = re.search(
                r'^nv_inference_pending_request_count\{model="echo",version="1"\} (\d+)', text, re.MULTILINE
            )
            if found and int(found[1]) == count:
                return
            await asyncio.sleep(0.01)


async def test_a_call_whose_time_is_up_in_the_queue_does_not_run(
    triton: TritonInference, gate: Path, tmp_path: Path
) -> None:
    async with busy(triton, gate):
        with pytest.raises(DeadlineExceeded):
            await say(triton, f"mark {tmp_path / 'late'}", CallOptions(deadline_s=0.2))
    assert await say(triton, "next") == "next"
    assert not (tmp_path / "late").exists()


async def test_a_cancelled_call_leaves_the_queue_and_does_not_run(
    triton: TritonInference, echo_server: Server, gate: Path, tmp_path: Path
) -> None:
    async with busy(triton, gate):
        task = asyncio.create_task(say(triton, f"mark {tmp_path / 'cancelled'}"))
        await queued(echo_server, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await say(triton, "next") == "next"
    assert not (tmp_path / "cancelled").exists()


async def test_a_full_queue_says_when_to_come_back(triton: TritonInference, echo_server: Server, gate: Path) -> None:
    async with busy(triton, gate):
        waiting = [asyncio.create_task(say(triton, f"{number}")) for number in range(QUEUE)]
        await queued(echo_server, QUEUE)
        with pytest.raises(TooMuch) as caught:
            await say(triton, "one too many")
        assert caught.value.retry_after_s is not None
        gate.touch()
        assert await asyncio.gather(*waiting) == [f"{number}" for number in range(QUEUE)]


async def test_somebody_who_waits_goes_before_bulk(
    triton: TritonInference, echo_server: Server, gate: Path, tmp_path: Path
) -> None:
    async def run(priority: int, name: str) -> None:
        await say_wide(triton, f"mark {tmp_path / name}", CallOptions(priority=priority))

    async with busy(triton, gate):
        bulk = [asyncio.create_task(run(PRIORITY_BULK, f"bulk {number}")) for number in range(3)]
        await queued(echo_server, 3)
        asked = asyncio.create_task(run(PRIORITY_INTERACTIVE, "asked"))
        await queued(echo_server, 4)
        gate.touch()
        await asyncio.gather(asked, *bulk)
    made = [(tmp_path / name).stat().st_mtime_ns for name in ("asked", "bulk 0", "bulk 1", "bulk 2")]
    assert made[0] == min(made)


async def test_nobody_listening_is_unavailable() -> None:
    async with TritonInference("127.0.0.1:1") as nobody:
        with pytest.raises(Unavailable):
            await nobody.infer("echo", {"text": text_column("x")}, call=CallOptions(deadline_s=5))
        with pytest.raises(Unavailable):
            await anext(aiter(nobody.stream("counter", {"text": text_column("1")})))
        assert not await nobody.ready("echo")


async def test_sixty_five_megabytes_are_taken(triton: TritonInference) -> None:
    values = np.ones((1, 65 * 2**20 // 4), np.float32)
    answer = await triton.infer("echo", {"text": text_column("x"), "values": values}, outputs=["said"])
    assert answer["said"].tolist() == [["x"]]


async def test_a_model_may_name_an_example_of_its_inputs(triton: TritonInference) -> None:
    assert (await triton.metadata("echo")).example == '{"text": "hello"}'
    assert (await triton.metadata("counter")).example == ""
