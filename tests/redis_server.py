"""A real Redis for tests that need one."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from conch.stack.services.redis import binary
from conch.stack.serving import free_ports

READY_S = 20.0


@dataclass(frozen=True, slots=True)
class RedisServer:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def client(self) -> Redis:
        return Redis(port=self.port)


@contextlib.contextmanager
def running_redis(folder: Path, *options: str, port: int = 0) -> Iterator[RedisServer]:
    """It keeps nothing. `port` 0: any that is free."""
    port = port or free_ports(1)[0]
    command = [str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            server = RedisServer(process, port)
            deadline = time.monotonic() + READY_S
            while not _answers(server):
                assert time.monotonic() < deadline, f"Redis does not answer within {READY_S} s"
                time.sleep(0.02)
            yield server
        finally:
            process.kill()


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Three nodes of a cluster, which share the slots."""
    with contextlib.ExitStack() as nodes:
        servers = []
        for number in range(3):
            home = folder / str(number)
            home.mkdir()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0]))
            servers.append(nodes.enter_context(running_redis(home, *options)))
        for number, server in enumerate(servers):
            with server.client() as redis:
                redis.execute_command("CLUSTER ADDSLOTSRANGE", number * 16_384 // 3, (number + 1) * 16_384 // 3 - 1)
                for other in servers[:number]:
                    with other.client() as first:
                        bus = first.config_get("cluster-port")["cluster-port"]
                    redis.execute_command("CLUSTER MEET", "127.0.0.1", other.port, bus)
        deadline = time.monotonic() + READY_S
        while not all(_whole(server) for server in servers):
            assert time.monotonic() < deadline, f"the cluster is not whole within {READY_S} s"
            time.sleep(0.05)
        yield servers


def _whole(server: RedisServer) -> bool:
    with server.client() as redis:
        info = redis.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3"


def _answers(server: RedisServer) -> bool:
    try:
        with server.client() as redis:
            return bool(redis.ping())
    except RedisError:
        return False
