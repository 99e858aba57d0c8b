"""A real Redis for tests that need one."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from conch.stack.services.redis import binary

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
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """It keeps nothing."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
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


def _answers(server: RedisServer) -> bool:
    try:
        with server.client() as redis:
            return bool(redis.ping())
    except RedisError:
        return False
