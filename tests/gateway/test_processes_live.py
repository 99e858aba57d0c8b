"""`python -m gateway` as the operating system sees it. No Triton is needed: every call is refused as it should be."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from conch.clients.edge import Client
from conch.contracts.errors import InvalidRequest

ALONE = {
    "CONCH_GATEWAY_GRPC_ADDRESS": "127.0.0.1:0",
    "CONCH_GATEWAY_HTTP_ADDRESS": "127.0.0.1:0",
    "CONCH_GATEWAY_TRITON_ADDRESS": "127.0.0.1:1",
}


class Running:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def listening(self) -> list[tuple[str, str]]:
        """The gRPC and HTTP address of every process that came up, as the log tells."""
        return re.findall(r"listening grpc=(\S+) http=(\S+)", self.log.read_text())

    @property
    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it does not come true"
        time.sleep(0.02)


@contextlib.contextmanager
def started(folder: Path, **settings: str) -> Iterator[Running]:
    log = folder / "gateway.log"
    environment = {**os.environ, **ALONE, **{f"CONCH_GATEWAY_{name}": value for name, value in settings.items()}}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment, stderr=output)
    running = Running(process, log)
    try:
        until(lambda: len(running.listening) >= int(settings.get("PROCESSES", "1")) or process.poll() is not None)
        yield running
    finally:
        workers = running.workers if process.poll() is None else []
        process.kill()
        process.wait()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_drains_and_ends_with_0(tmp_path: Path, processes: str, number: signal.Signals) -> None:
    with started(tmp_path, PROCESSES=processes) as running:
        running.process.send_signal(number)
        assert running.process.wait(timeout=30) == 0
        assert running.log.read_text().count("drained") == int(processes)


def test_several_processes_answer_at_one_pair_of_ports(tmp_path: Path) -> None:
    with started(tmp_path, PROCESSES="2") as running:
        assert len(set(running.listening)) == 1
        grpc_address, http_address = running.listening[0]
        with Client(grpc_address) as gateway, pytest.raises(InvalidRequest):
            gateway.understand("")
        assert httpx.get(f"http://{http_address}/health", trust_env=False).status_code == 503


def test_any_process_tells_the_metrics_of_all(tmp_path: Path) -> None:
    with started(tmp_path, PROCESSES="2") as running:
        url = f"http://{running.listening[0][1]}"
        for _ in range(20):
            assert httpx.post(f"{url}/understand", json={"text": ""}, trust_env=False).status_code == 400
        pattern = r'conch_requests_total\{.*method="Understand".*\} (\S+)'
        told = {re.findall(pattern, httpx.get(f"{url}/metrics", trust_env=False).text)[0] for _ in range(10)}
        assert told == {"20.0"}


def test_calls_of_a_dead_process_run_no_longer(tmp_path: Path) -> None:
    with started(tmp_path, PROCESSES="2") as running:
        address = running.listening[0][1]

        def calls() -> list[str]:
            page = httpx.get(f"http://{address}/metrics", trust_env=False).text
            return re.findall(r"^conch_calls_running (\S+)$", page, re.MULTILINE)

        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as caller:
            caller.sendall(
                b"POST /transcribe HTTP/1.1\r\nhost: x\r\ncontent-type: audio/wav\r\ncontent-length: 99\r\n\r\nx"
            )
            until(lambda: calls() == ["1.0"])
            for worker in running.workers:
                worker.kill()
            until(lambda: len(running.listening) == 4)
            assert calls() == ["0.0"]


def test_counts_of_a_killed_gateway_are_not_counted_again(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    for _ in range(2):
        with started(tmp_path, PROCESSES="2", METRICS_FOLDER=str(folder)) as running:
            url = f"http://{running.listening[0][1]}"
            assert httpx.post(f"{url}/understand", json={"text": ""}, trust_env=False).status_code == 400
            told = httpx.get(f"{url}/metrics", trust_env=False).text
            assert re.findall(r'conch_requests_total\{.*method="Understand".*\} (\S+)', told) == ["1.0"]
            left = set(folder.iterdir())
        assert left
        assert left <= set(folder.iterdir())


def test_a_dead_process_is_replaced(tmp_path: Path) -> None:
    with started(tmp_path, PROCESSES="2") as running:
        victim = running.workers[0]
        victim.kill()
        until(lambda: len(running.listening) == 3)
        assert len(running.workers) == 2
        assert victim.pid not in [worker.pid for worker in running.workers]
        assert f"gateway process {victim.pid} ended with -9" in running.log.read_text()


def test_processes_that_keep_dying_end_the_gateway(tmp_path: Path) -> None:
    with started(tmp_path, PROCESSES="1") as idle, started(tmp_path, PROCESSES="2") as running:
        assert idle.process.poll() is None
        while running.process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                running.workers[0].kill()
            time.sleep(0.05)
        assert running.process.returncode == 1


def test_no_process_outlives_the_first(tmp_path: Path) -> None:
    with started(tmp_path, PROCESSES="2") as running:
        workers = running.workers
        running.process.kill()
        gone, alive = psutil.wait_procs(workers, timeout=30)
        assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("face", ["GRPC", "HTTP"])
def test_a_taken_port_is_named(tmp_path: Path, processes: str, face: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with started(tmp_path, PROCESSES=processes, **{f"{face}_ADDRESS": address}) as running:
            assert running.process.wait(timeout=30) == 1
            assert f"the gateway cannot serve: {address} cannot be listened at" in running.log.read_text()


@pytest.mark.parametrize(
    ("name", "value"), [("PROCESSES", "0"), ("MAX_AUDIO_S", "long"), ("LOG_LEVEL", "LOUD")], ids=str.lower
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    environment = {**os.environ, f"CONCH_GATEWAY_{name}": value}
    ended = subprocess.run([sys.executable, "-m", "gateway"], env=environment, capture_output=True, timeout=60)
    assert ended.returncode == 2
    assert value in ended.stderr.decode()
