"""The gateway does what its description says, whatever is sent to it."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from conch.clients.inprocess import InProcessInference
from conch.clients.memory_events import MemoryEventLog
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from tests.gateway.conftest import quick_settings, running
from tests.schemathesis_runs import findings

EVERY_TYPE = ModelSpec(
    "every_type",
    tuple(TensorSpec(f"one_{kind.lower()}", kind, (1,), optional=True) for kind in DataType)
    + tuple(TensorSpec(f"some_{kind.lower()}", kind, (-1, 2), optional=True) for kind in DataType)
    + (TensorSpec("needed", DataType.BYTES, (1,)),),
    tuple(TensorSpec(f"one_{kind.lower()}", kind, (1,)) for kind in DataType)
    + tuple(TensorSpec(f"some_{kind.lower()}", kind, (-1, 2)) for kind in DataType)
    + (TensorSpec("needed", DataType.BYTES, (1,)),),
)

TWICE = replace(EVERY_TYPE, name="twice", decoupled=True)

FAKES = ("whisper", "vad", "voice_command", "piper")
"""They take what the gateway itself hands over, and fail on anything else."""


@contextlib.contextmanager
def served(models: InProcessInference) -> Iterator[str]:
    """A gateway of another thread; its URL."""
    loop = asyncio.new_event_loop()
    addresses: Any = None
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        nonlocal addresses
        async with running(quick_settings(), models, MemoryEventLog()) as addresses:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(30)
        yield f"http://{addresses.http}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


@pytest.fixture
def url(models: InProcessInference) -> Iterator[str]:
    models.functions["every_type"] = lambda inputs, call: inputs
    models.functions["twice"] = lambda inputs, call: [inputs, inputs]
    models.specs |= {"every_type": EVERY_TYPE, "twice": TWICE}
    with served(models) as url:
        yield url


def test_no_call_is_answered_otherwise_than_described(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json", timeout=30).json()
    assert "/v1/infer/every_type" in document["paths"]
    fakes = {f"/v1/infer/{name}" for name in FAKES}
    assert findings(document, url, examples=6, skips=lambda path: path in fakes) == []
