"""A real Triton with an ordinary model and small ones on demand, an edge before it and the controller beside it."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.rollout.folders import Folders
from conch.rollout.on_demand.units import loaded_at_start, units
from conch.rollout.servers import ServerState
from conch.stack.envoy import fronting
from conch.stack.leash import leashed
from conch.stack.processes import ProcessMark, end_session
from conch.stack.service import Sick
from conch.stack.services.envoy import EnvoyProbe
from conch.stack.serving import free_ports
from conch.stack.shm import prefix_of, sweep
from conch.stack.triton import HOST, TritonAddresses, TritonInstallation

PATIENCE_S = 90.0
"""On a machine that has much else to do."""

CONFIG = """
backend: "python"
input [ {{ name: "{0}" data_type: TYPE_FP32 dims: [ 1 ] }} ]
output [ {{ name: "{1}" data_type: TYPE_FP32 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
parameters {{ key: "example" value {{ string_value: "{{\\"{0}\\": [1.0]}}" }} }}
"""
ENTRY_POINT = """
import os

import triton_python_backend_utils as pb

HELD = bytearray(os.urandom({mib} * 2**20))
{more}

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb.InferenceResponse([pb.Tensor("{output}", pb.get_input_tensor_by_name(one, "{input}").as_numpy() + 1)])
            for one in requests
        ]
"""
ENSEMBLE = """
name: "twice"
platform: "ensemble"
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
ensemble_scheduling { step [
  { model_name: "first" model_version: -1 input_map { key: "IN" value: "IN" } output_map { key: "MID" value: "MID" } },
  { model_name: "second" model_version: -1 input_map { key: "MID" value: "MID" } output_map { key: "OUT" value: "OUT" }}
] }
"""
TERMS = """
[on_demand]
models = ["left", "right", "broken", "twice"]
memory_mib = 140
waiting = 24
"""
TENANTS = """
[tenants.narrow]
models = ["ordinary"]
"""


def write_model(
    models: Path, name: str, *, mib: int = 1, more: str = "", tensors: tuple[str, str] = ("IN", "OUT")
) -> None:
    version = models / name / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(f'name: "{name}"' + CONFIG.format(*tensors))
    (version / "model.py").write_text(ENTRY_POINT.format(mib=mib, more=more, input=tensors[0], output=tensors[1]))


def write_live(root: Path) -> None:
    models = root / "live/models"
    write_model(models, "ordinary")
    write_model(models, "left", mib=64)
    write_model(models, "right", mib=64, more="import time; time.sleep(2)")
    write_model(models, "broken", more='raise RuntimeError("its weights are gone")')
    write_model(models, "first", tensors=("IN", "MID"))
    write_model(models, "second", tensors=("MID", "OUT"))
    ensemble = root / "live/ensembles/twice"
    (ensemble / "1").mkdir(parents=True)
    (ensemble / "config.pbtxt").write_text(ENSEMBLE)
    (root / "repository").mkdir()
    (root / "rollout.toml").write_text(TERMS)


@dataclass
class Demanded:
    folders: Folders
    edge: Edge

    @property
    def grpc(self) -> str:
        return str(self.edge.settings.listening.grpc)

    @property
    def http(self) -> str:
        return str(self.edge.settings.listening.http)

    @property
    def internal(self) -> str:
        return str(self.edge.settings.listening.internal)

    def told(self, model: str) -> list[str]:
        return [line.action for line in self.folders.journal.lines(model)]

    async def until(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < ends, self.folders.journal.lines()
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def demanded(root: Path) -> AsyncIterator[Demanded]:
    write_live(root)
    folders = Folders(root)
    folders.on_demand.write(dict.fromkeys(units(folders).by_model, False))
    grpc, http, metrics, models = (f"{HOST}:{port}" for port in free_ports(4))
    upstream = TritonServer(*(Address.parse(one) for one in (grpc, http, metrics)))
    upstreams = Upstreams([upstream], None, None, pings=True, models=Address.parse(models))
    listening = Listening(*(Address(HOST, port) for port in free_ports(4)))
    settings = EdgeSettings(listening, upstreams, workers=2)
    edge = Edge(settings, root / "edge", root / "tenants.toml", folders.on_demand.read)
    edge.tenants_file.write_text(TENANTS)
    with contextlib.ExitStack() as running:
        running.enter_context(_triton(folders, TritonAddresses(grpc, http, metrics)))
        running.enter_context(
            _process([sys.executable, "-m", "conch.rollout", str(root), http, grpc, "--models", models])
        )
        site = Demanded(folders, edge)
        await site.until(lambda: [one.state for one in folders.servers.read()] == [ServerState.CONVERGED])
        running.enter_context(fronting(edge))
        following = asyncio.create_task(_follow(EnvoyProbe(edge, folders.servers)))
        try:
            yield site
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


@contextlib.contextmanager
def _triton(folders, addresses):
    root = folders.root
    installation = TritonInstallation.prepare(root / "backends")
    shelves = [folders.live_models, folders.live_ensembles]
    command = installation.command(shelves, addresses, shm_prefix=prefix_of(root), loads=loaded_at_start(folders))
    with (root / "triton.log").open("wb") as log:
        process = subprocess.Popen(
            leashed(command),
            env=installation.environment(os.environ),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        end_session(ProcessMark.of_child(process.pid))
        process.wait()
        sweep(prefix_of(root))


@contextlib.contextmanager
def _process(command):
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


async def _follow(probe: EnvoyProbe) -> None:
    while True:
        with contextlib.suppress(Sick):
            await probe.look()
        await asyncio.sleep(0.2)
