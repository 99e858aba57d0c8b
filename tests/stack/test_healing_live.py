"""A real Triton whose model leaks, under load: its memory comes back, and no caller notices."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conch.clients.inference import CallOptions
from conch.clients.triton import TritonInference
from conch.clients.triton_loads import TritonLoads
from conch.contracts.errors import ConchError
from conch.rollout.folders import Folders
from conch.stack.leaks import LeakBound
from conch.stack.processes import ProcessMark
from conch.stack.service import Sick
from conch.stack.serving import Server, serving_repositories
from conch.stack.stubs import Stubs
from conch.stack.triton_probe import SickModel, TritonProbe

CONFIG = """\
name: "leaky"
backend: "python"
input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]
parameters [{ key: "example" value: { string_value: '{"x": [1]}' } }]
"""

LEAKY = """\
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.kept = []

    def execute(self, requests):
        self.kept.append(bytes(range(256)) * 1024)
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(request, "x").as_numpy())]
            )
            for request in requests
        ]
"""

MIB = 2**20
FASTER = 10
"""The probe's clock against ours: its window is 40 of its seconds."""
BOUND = LeakBound(window_s=40, bytes_per_s=MIB / 100)


def clock() -> float:
    return time.monotonic() * FASTER


@pytest.fixture
def leaky(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "live/models/leaky"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1/model.py").write_text(LEAKY)
    with serving_repositories(tmp_path / "server", [folder.parent]) as server:
        yield server


async def test_a_leaking_model_is_recycled_without_a_failed_request(tmp_path: Path, leaky: Server) -> None:
    folders, mark = Folders(tmp_path), ProcessMark.of_child(leaky.process.pid)
    probe = TritonProbe(leaky.http, TritonLoads(leaky.grpc), mark, folders, first_start=True, clock=clock, leak=BOUND)
    errors: list[str] = []
    await probe.ready()
    async with TritonInference(leaky.grpc) as inference, asyncio.TaskGroup() as tasks:
        calling = [tasks.create_task(_call(inference, errors)) for _ in range(2)]
        sick = await _until_sick(probe)
        assert "leaks" in sick.message
        before = _rss_bytes(mark)
        await probe.heal(sick)
        await _until_single(mark)
        assert _rss_bytes(mark) < before
        for task in calling:
            task.cancel()
    assert errors == []
    [line] = folders.journal.lines("leaky")
    assert (line.action, line.evidence["reason"]) == ("healed", sick.message)


async def _call(inference: TritonInference, errors: list[str]) -> None:
    while True:
        try:
            await inference.infer("leaky", {"x": np.ones(1, np.float32)}, call=CallOptions(deadline_s=30))
        except ConchError as error:
            errors.append(error.message)
        await asyncio.sleep(0.02)


async def _until_sick(probe: TritonProbe) -> SickModel:
    async with asyncio.timeout(90):
        while True:
            try:
                await probe.look()
            except SickModel as sick:
                return sick
            except Sick:
                pass  # it was slow to answer
            await asyncio.sleep(0.1)


async def _until_single(mark: ProcessMark) -> None:
    """The old stub has ended."""
    async with asyncio.timeout(60):
        while len(_stubs(mark)) != 1:  # noqa: ASYNC110 - it does not tell
            await asyncio.sleep(0.05)


def _stubs(mark: ProcessMark) -> dict[ProcessMark, int]:
    stubs = Stubs(mark)
    stubs.refresh()
    return stubs.rss_bytes()


def _rss_bytes(mark: ProcessMark) -> int:
    return max(_stubs(mark).values())
