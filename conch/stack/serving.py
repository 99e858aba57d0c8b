"""A real Triton with some of our models and nothing else around it: for tests and benchmarks."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from conch.contracts.errors import Unavailable
from conch.stack.leash import leashed
from conch.stack.repository import ENSEMBLES, MODELS, WeightFiles, checkout, fill_live, fill_repository
from conch.stack.shm import prefix_of, sweep
from conch.stack.triton import HOST, TritonAddresses, TritonInstallation

NOTHING: Mapping[str, str] = {}

LOWEST_FREE_PORT = 12_000
"""Above the ports that our servers and others of their kind prefer."""

PROMISED = 64
"""So many free ports, the last, are kept for who asked: far more than there are servers starting at one time."""

_promises: deque[socket.socket] = deque()


@dataclass(frozen=True, slots=True)
class Server:
    """A running tritonserver."""

    addresses: TritonAddresses
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def grpc(self) -> str:
        return self.addresses.grpc

    @property
    def http(self) -> str:
        return self.addresses.http

    @property
    def metrics(self) -> str:
        return self.addresses.metrics


@contextlib.contextmanager
def serving(
    folder: Path,
    names: Collection[str],
    weights: WeightFiles,
    *,
    environment: Mapping[str, str] = NOTHING,
    otlp_http: str = "",
    ready_s: float = 120.0,
) -> Iterator[Server]:
    """Serve the checkout's models and ensembles of these names, materialised under `folder`."""
    fill_repository(checkout(), folder / "repository", weights, only=names)
    fill_live(folder / "repository", folder / "live")
    repositories = [folder / "live" / MODELS, folder / "live" / ENSEMBLES]
    with serving_repositories(
        folder, repositories, environment=environment, otlp_http=otlp_http, ready_s=ready_s
    ) as server:
        yield server


@contextlib.contextmanager
def serving_repositories(
    folder: Path,
    repositories: Sequence[Path],
    *,
    environment: Mapping[str, str] = NOTHING,
    otlp_http: str = "",
    ready_s: float = 120.0,
) -> Iterator[Server]:
    """Serve whole Triton repositories as they are; `folder` takes the log and the server's own files.

    `environment` is added to this process's own; `otlp_http` is where the server's own spans go, host:port.

    The stub ignores PYTHONPATH: modules a model needs stand beside its model.py or are installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    installation = TritonInstallation.prepare(folder / "backends")
    addresses = TritonAddresses(*(f"{HOST}:{port}" for port in free_ports(3)))
    log = folder / "triton.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            leashed(installation.command(repositories, addresses, shm_prefix=prefix_of(folder), otlp_http=otlp_http)),
            env=installation.environment({**os.environ, **environment}),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        server = Server(addresses, process, log)
        _await_models(server, ready_s)
        yield server
    finally:
        # Asked to end it would wait for seconds, and nobody who is served is left. Its stubs are of its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        sweep(prefix_of(folder))


def _await_models(server: Server, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while True:
        if server.process.poll() is not None:
            raise Unavailable(f"tritonserver ended with {server.process.returncode}:\n{_tail(server.log)}")
        with contextlib.suppress(httpx.HTTPError):
            # The port opens when every model is loaded or has failed to.
            index = httpx.post(f"http://{server.http}/v2/repository/index", timeout=5.0).json()
            failed = [f"{model['name']}: {model.get('reason')}" for model in index if model.get("state") != "READY"]
            if failed:
                raise Unavailable(f"models failed to load: {'; '.join(failed)}\n{_tail(server.log)}")
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"tritonserver is not ready after {ready_s} s:\n{_tail(server.log)}")
        time.sleep(0.05)


def _tail(log: Path, lines: int = 30) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    """Nobody listens there, and the kernel gives them to no connection that goes out: a server that starts later, or
    again, still finds its port free. Another process that asks meanwhile gets others."""
    lowest_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # Where that range begins lower than usual, its ports are what there is.
    highest = max(lowest_ephemeral, LOWEST_FREE_PORT + 10_000)
    candidates = iter(random.sample(range(LOWEST_FREE_PORT, highest), k=100 + count))
    ports: list[int] = []
    while len(ports) < count:
        port = next(candidates)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            _promise(port)
            ports.append(port)
    return ports


def _promise(port: int) -> None:
    """Raises OSError where another process has promised it."""
    named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        named.bind(f"\0conch.free.{port}")
    except OSError:
        named.close()
        raise
    _promises.append(named)
    while len(_promises) > PROMISED:
        _promises.popleft().close()
