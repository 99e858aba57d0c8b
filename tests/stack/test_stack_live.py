"""The real thing: `conch up`, what it survives, and what it leaves behind."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from conch.clients.edge import Client
from conch.clients.triton_http import TritonHttp, Unanswered
from conch.rollout.folders import Folders
from conch.rollout.orders import Deed, Order
from conch.rollout.servers import STACK, ServerState
from conch.stack.processes import ProcessMark, session_members
from conch.stack.samples import sample
from conch.stack.shm import SHM, prefix_of
from conch.stack.state import StateFolder
from conch.stack.stubs import Stub
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import Manifest

CONCH = [sys.executable, "-P", "-m", "conch.cli"]
HEALED_S = 150.0
"""Far more than healing takes: how fast it is, is for benchmarks/startup.py to say."""

pytestmark = pytest.mark.timeout(600)


class Stack:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = StateFolder(root)

    def conch(self, *arguments, **environment):
        return subprocess.run(
            [*CONCH, arguments[0], "--state", str(self.root), *arguments[1:]],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "CONCH_GATEWAY_PROCESSES": "2", **environment},
        )

    def up(self, *options):
        done = self.conch("up", "--detach", *options)
        assert done.returncode == 0, done.stderr + self.log()
        return self

    def status(self):
        done = self.conch("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def pid(self, service):
        return self.folder.read_status().services[service].pid

    def address(self, service, face):
        return self.folder.read_status().services[service].addresses[face]

    def log(self):
        path = self.folder.log("stack")
        return path.read_text() if path.exists() else ""

    def processes(self):
        """The supervisor and all that any service has started."""
        status = self.folder.read_status()
        marks = [service.mark for service in status.services.values() if service.mark]
        return [status.supervisor, *(member for mark in marks for member in session_members(mark))]

    def regions(self):
        return [path.name for path in SHM.glob(f"{prefix_of(self.root)}*")]

    def until(self, condition, what):
        deadline = time.monotonic() + HEALED_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}; the log says:\n{self.log()}"
            time.sleep(0.05)

    def until_healed(self, killed):
        """Ready, and works, with another process in the place of the killed one."""
        gone = ProcessMark.of(killed)
        os.kill(killed, signal.SIGKILL)
        self.until(lambda: gone is None or not gone.runs(), f"process {killed} survived SIGKILL")
        self.until(self.works, "it did not heal")
        self.until(lambda: self.folder.read_status().ready, "it is not ready")
        self.until(self.works, "it is ready and does not work")

    def works(self):
        """Redis and the gateway answer, the gateway also through the edge, and every model infers."""
        with contextlib.suppress(httpx.HTTPError, Unanswered, OSError, KeyError):
            host, port = self.address("redis", "redis").split(":")
            with socket.create_connection((host, int(port)), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                pong = connection.recv(16)
            gateway = httpx.get(f"http://{self.address('gateway', 'http')}/health", timeout=10)
            edge = httpx.get(f"http://{self.address('edge', 'http')}/v2/health/ready", timeout=10)
            answered = gateway.is_success and edge.is_success
            return pong == b"+PONG\r\n" and answered and asyncio.run(self.all_infer())
        return False

    async def all_infer(self):
        async with TritonHttp(self.address("triton", "http")) as triton:
            configs = [await triton.config(model.name) for model in await triton.models()]
            models = [config for config in configs if config.get("platform") != "ensemble"]
            return [await triton.infer(model, sample(model), 5) for model in models] == [""] * len(models)

    def end(self):
        subprocess.run([*CONCH, "down", "--state", str(self.root)], capture_output=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        yield stack.up()
    finally:
        stack.end()


@pytest.fixture
def other(tmp_path):
    stack = Stack(tmp_path / "other")
    yield stack
    stack.end()


def over_http(service, path):
    def is_ready(stack):
        return httpx.get(f"http://{stack.address(service, 'http')}{path}", timeout=10).is_success

    return is_ready


def over_grpc(stack):
    with Client(stack.address("edge", "grpc")) as client:
        return client.ready(timeout_s=10)


FACES = {
    "KServe's server": over_http("edge", "/v2/health/ready"),
    "KServe's model": over_http("edge", "/v2/models/intent/ready"),
    "KServe's ensemble": over_http("edge", "/v2/models/voice_command/ready"),
    "gRPC health": over_grpc,
    "/health": over_http("gateway", "/health"),
}


def stubs_of(stack):
    """Models by pid; a model may have several."""
    pids = [child.pid for child in psutil.Process(stack.pid("triton")).children()]
    return {pid: stub.model for pid in pids if (stub := Stub.of(pid)) is not None}


def listening_workers(stack):
    """Of the gateway: those that take calls."""
    ports = {int(stack.address("gateway", face).rpartition(":")[2]) for face in ("grpc", "http")}
    workers = {worker.pid: worker.net_connections() for worker in psutil.Process(stack.pid("gateway")).children()}
    return [
        pid
        for pid, sockets in workers.items()
        if ports <= {one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN}
    ]


def test_up_returns_when_every_service_is_ready_and_status_tells_where(stack):
    status = stack.status()
    assert status["ready"]
    assert {service["state"] for service in status["services"].values()} == {"ready"}
    assert status["services"].keys() >= {"redis", "triton", "edge", "gateway"}
    for service in status["services"].values():
        assert psutil.pid_exists(service["pid"])
        for address in service["addresses"].values():
            host, port = address.split(":")
            assert host == "127.0.0.1"
            socket.create_connection((host, int(port)), timeout=5).close()
    assert stack.works()


def test_nothing_listens_beyond_loopback(stack):
    pids = {mark.pid for mark in stack.processes()}
    listening = [one for one in psutil.net_connections() if one.pid in pids and one.status == psutil.CONN_LISTEN]
    assert {one.laddr.ip.removeprefix("::ffff:") for one in listening} == {"127.0.0.1"}  # gRPC binds IPv4 as IPv6


def test_a_second_up_says_that_the_stack_is_already_running(stack):
    for options in (["--detach"], []):
        done = stack.conch("up", *options)
        assert done.returncode == 1
        assert f"a stack is already running in {stack.root} (pid {stack.status()['pid']})" in done.stderr


@pytest.mark.parametrize("service", ["redis", "triton", "edge", "gateway", "mqtt", "bridge"])
def test_a_killed_service_heals(stack, service):
    first = stack.pid(service)
    stack.until_healed(first)
    assert stack.pid(service) != first


def test_a_killed_stub_of_any_model_heals_without_a_new_server(stack):
    server = stack.pid("triton")
    for model in sorted(set(stubs_of(stack).values())):
        stub = next(pid for pid, served in stubs_of(stack).items() if served == model)
        stack.until_healed(stub)
        assert stub not in stubs_of(stack)
        assert model in stubs_of(stack).values()
    assert stack.pid("triton") == server


def test_a_stopped_stub_heals_and_every_face_of_readiness_tells_of_it_until_then(stack):
    stubs = stubs_of(stack)
    server, stub = stack.pid("triton"), max(pid for pid, model in stubs.items() if model == "intent")
    faults, told = Folders(stack.root).faults, {name: [] for name in FACES}
    os.kill(stub, signal.SIGSTOP)
    stack.until(faults.read, "the fault was not found")
    while (reasons := faults.read()).get("intent"):
        assert reasons.keys() == {"intent", "voice_command"}
        for name, is_ready in FACES.items():
            ready = is_ready(stack)
            if faults.of("intent"):  # before and after
                told[name].append(ready)
    assert all(told.values())
    assert not any(any(answers) for answers in told.values()), told
    stack.until(lambda: stub not in stubs_of(stack) and stack.works(), "it did not heal")
    assert stack.pid("triton") == server  # the server was not started again
    stack.until(lambda: all(is_ready(stack) for is_ready in FACES.values()), "it is healed and not ready")


def test_a_triton_whose_restart_is_ordered_comes_back_and_serves_what_it_should(stack):
    folders, server = Folders(stack.root), stack.pid("triton")
    stack.until(lambda: [one.state for one in folders.servers.read()] == [ServerState.CONVERGED], "it is not converged")
    before = len(folders.journal.lines())
    folders.orders.give(STACK, Order(Deed.RESTART, "it is wedged"))
    stack.until(lambda: stack.pid("triton") != server and stack.works(), "it was not started again")

    def of_the_server():
        return [line.action for line in folders.journal.lines()[before:] if line.model == ""]

    stack.until(lambda: of_the_server() == ["server away", "server converged"], "it has not converged")


def test_killed_workers_of_the_gateway_heal(stack):
    gateway = stack.pid("gateway")
    workers = psutil.Process(gateway).children()
    assert len(workers) == 2
    for worker in workers:
        stack.until_healed(worker.pid)
        # Without any, the gateway itself would be sick.
        stack.until(lambda: len(listening_workers(stack)) == 2, "a worker is missing")
    assert stack.pid("gateway") == gateway


def test_two_stacks_run_side_by_side(stack, other):
    other.up("--only", "redis")
    assert other.address("redis", "redis") != stack.address("redis", "redis")
    done = other.conch("down")
    assert done.returncode == 0
    assert stack.status()["ready"]
    assert stack.works()


def test_down_leaves_nothing_and_the_next_start_finds_its_ports_free(stack):
    before, processes, addresses = stack.status(), stack.processes(), addresses_of(stack)
    done = stack.conch("down")
    assert done.returncode == 0, done.stderr
    assert [mark for mark in processes if mark.runs()] == []
    assert stack.regions() == []
    assert list(stack.folder.run.iterdir()) == []
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
    assert stack.conch("status").returncode == 3

    stack.up()
    assert stack.status()["services"].keys() == before["services"].keys()


def test_a_killed_supervisor_stops_nobody_from_starting_again(stack):
    left = stack.processes()
    supervisor = stack.folder.read_status().supervisor
    supervisor.signal(signal.SIGKILL)
    assert supervisor.wait(10)
    assert stack.conch("status").returncode == 3

    regions = set(stack.regions())
    stack.up()
    assert [mark for mark in left if mark.runs()] == []
    assert not regions & set(stack.regions())
    assert stack.works()


def test_ctrl_c_in_the_foreground_drains_and_leaves_nothing(other):
    process = subprocess.Popen(
        [*CONCH, "up", "--state", str(other.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        other.until(lambda: (status := other.folder.read_status()) and status.ready, "it is not ready")
        processes = other.processes()
        process.send_signal(signal.SIGINT)
        stream, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert {line.split("│")[0].strip() for line in stream.splitlines()} >= {"redis", "triton", "stack"}
    assert [mark for mark in processes if mark.runs()] == []
    assert other.regions() == []
    assert list(other.folder.run.iterdir()) == []


def test_a_port_asked_for_and_taken_is_refused_with_a_remedy(other):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = other.conch("up", "--detach", "--only", "redis", "--port", f"redis.redis={port}")
    assert done.returncode == 1
    assert f"redis.redis cannot have port {port}: it is taken by" in done.stderr
    assert "--port redis.redis=0" in done.stderr


def test_a_model_that_cannot_be_loaded_is_named_with_the_reason(other):
    broken = other.folder.repository / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "model.py").write_text("raise RuntimeError('no such file: tokenizer.json')\n")
    (broken.parent / "config.pbtxt").write_text(
        'backend: "python"\n'
        'input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]\n'
        'output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]\n'
    )
    done = other.conch("up", "--detach")
    assert done.returncode == 1
    assert "model broken cannot be loaded" in done.stderr
    assert "no such file: tokenizer.json" in done.stderr


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_weights_that_are_not_right_stop_the_start_before_anything_runs(other, tmp_path, damage):
    file = Manifest.read().needed[0]
    good, cache = WeightCache(default_root()), tmp_path / "cache" / "conch" / "weights"
    cache.mkdir(parents=True)
    for sha256, path in {one.sha256: good.verify(one) for one in Manifest.read().needed}.items():
        (cache / sha256).symlink_to(path)
    (cache / file.sha256).unlink()
    if damage == "changed":
        shutil.copyfile(good.path(file), cache / file.sha256)
        with (cache / file.sha256).open("r+b") as weights:
            weights.write(b"damage")

    done = other.conch("up", "--detach", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert f"expected sha256 {file.sha256}" in done.stderr
    assert ("found" in done.stderr) == (damage == "changed")
    assert not other.folder.log("redis").exists()


def addresses_of(stack):
    services = stack.folder.read_status().services.values()
    return [
        (host, int(port))
        for service in services
        for host, port in (address.split(":") for address in service.addresses.values())
    ]
