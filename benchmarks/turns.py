"""How long finals wait for a recogniser that others ask too: in Triton's queue, and in the gateway's turns.

    python -m benchmarks.turns

The model waits and does not compute, a quarter of a second a row as `whisper` takes on a core, so that a busy machine
changes little: what is told is the wait of a final beyond that time. Listeners speak for 2.5 s with partials, then ask
for the final, then pause; the ways are asked round by round.
"""

import asyncio
import contextlib
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from conch.clients.inference import CallOptions, Inference
from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError
from conch.contracts.specs import PRIORITY_BULK, PRIORITY_INTERACTIVE
from conch.stack.serving import serving_repositories
from gateway.turns import TakingTurns

RESULT = Path(__file__).parent / "results" / "turns.json"
ROW_S = 0.25
"""Of one row on one core; a machine of two cores computes two at once."""
SPEECH_S, PAUSE_S, PARTIAL_EVERY_S, PARTIAL_S = 2.5, 1.5, 0.6, 2.0
RESTS = 2.0
POLICY = """
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 30000000
    allow_timeout_override: true
    max_queue_size: 64
  }
"""
CONFIG = """
name: "paced"
backend: "python"
max_batch_size: 8
dynamic_batching {{ {policy} }}
input [ {{ name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: {instances} }} ]
"""
ENTRY_POINT = """
import math
import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        time.sleep({row_s} * math.ceil(len(requests) / {cores}))
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(request, "IN").as_numpy())]
            )
            for request in requests
        ]
"""


@dataclass(frozen=True, slots=True)
class Way:
    policy: bool
    instances: int
    turns: bool

    @property
    def name(self) -> str:
        queue = "queue policy" if self.policy else "no queue policy"
        return f"{self.instances} instances, {queue}{', turns in the gateway' if self.turns else ''}"


WAYS = (
    Way(policy=True, instances=1, turns=False),
    Way(policy=False, instances=1, turns=False),
    Way(policy=True, instances=2, turns=False),
    Way(policy=True, instances=1, turns=True),
    Way(policy=True, instances=2, turns=True),
)


def main(
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 16.0,
    rounds: Annotated[int, typer.Option(min=1)] = 1,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    busy = os.getloadavg()[0]
    waits: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for way in WAYS:
            with tempfile.TemporaryDirectory() as scratch, _served(Path(scratch), way) as address:
                for listeners in (1, 4, 8):
                    told = asyncio.run(_measured(address, way, listeners, seconds))
                    waits.setdefault((way.name, listeners), []).extend(told)
                    print(way.name, listeners, _percentiles(told), flush=True)
    report = {
        "load_average": busy,
        "row_ms": ROW_S * 1000,
        "wait_ms": [
            {"way": way, "listeners": listeners, "finals": len(told), **_percentiles(told)}
            for (way, listeners), told in waits.items()
        ],
    }
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _served(folder: Path, way: Way) -> Iterator[str]:
    version = folder / "models" / "paced" / "1"
    version.mkdir(parents=True)
    config = CONFIG.format(policy=POLICY if way.policy else "", instances=way.instances)
    (version.parent / "config.pbtxt").write_text(config)
    # Of one instance the two encoders share the cores; of two each has one.
    (version / "model.py").write_text(ENTRY_POINT.format(row_s=ROW_S, cores=2 // way.instances))
    with serving_repositories(folder / "triton", [folder / "models"]) as server:
        yield server.grpc


async def _measured(address: str, way: Way, listeners: int, seconds: float) -> list[float]:
    async with TritonInference(address) as triton:
        inference: Inference = TakingTurns(triton, {"paced": way.instances}) if way.turns else triton
        await _ask(inference, PRIORITY_INTERACTIVE, 30.0)
        ends_at = time.perf_counter() + seconds
        some = await asyncio.gather(*(_listener(inference, number, ends_at) for number in range(listeners)))
    return [wait for waits in some for wait in waits]


async def _listener(inference: Inference, number: int, ends_at: float) -> list[float]:
    """How long each of its finals waited, in milliseconds."""
    chance = random.Random(number)
    waits: list[float] = []
    await asyncio.sleep(chance.uniform(0, SPEECH_S + PAUSE_S))
    while time.perf_counter() < ends_at:
        partials = asyncio.create_task(_partials(inference))
        await asyncio.sleep(SPEECH_S * chance.uniform(0.5, 1.5))
        partials.cancel()
        asked_at = time.perf_counter()
        await _ask(inference, PRIORITY_INTERACTIVE, 30.0)
        waits.append((time.perf_counter() - asked_at - ROW_S) * 1000)
        await asyncio.sleep(PAUSE_S)
    return waits


async def _partials(inference: Inference) -> None:
    """As Listen asks for them: one at a time, given up when it is stale, and rarer where they take long."""
    while True:
        await asyncio.sleep(PARTIAL_EVERY_S)
        asked_at = time.perf_counter()
        with contextlib.suppress(ConchError):
            await _ask(inference, PRIORITY_BULK, PARTIAL_S)
        await asyncio.sleep(max(RESTS * (time.perf_counter() - asked_at) - PARTIAL_EVERY_S, 0.0))


async def _ask(inference: Inference, priority: int, deadline_s: float) -> None:
    inputs = {"IN": np.zeros((1, 1), np.float32)}
    await inference.infer("paced", inputs, call=CallOptions(priority=priority, deadline_s=deadline_s))


def _percentiles(waits: list[float]) -> Mapping[str, Any]:
    return {f"p{p}": round(float(np.percentile(waits, p)), 1) for p in (50, 95)}


if __name__ == "__main__":
    typer.run(main)
