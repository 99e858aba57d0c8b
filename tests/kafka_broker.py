"""A real broker of Kafka's protocol for tests that need one."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conch.clients.kafka import check_broker
from conch.contracts.errors import Unavailable
from conch.stack.services.kafka import command
from conch.stack.serving import free_ports

READY_S = 30.0


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    process: subprocess.Popen[bytes]
    address: str


@contextlib.contextmanager
def running_kafka(folder: Path, address: str = "") -> Iterator[KafkaBroker]:
    """It keeps nothing; without `address` it stands where there is room."""
    address = address or f"127.0.0.1:{free_ports(1)[0]}"
    with subprocess.Popen(command(address), cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            _until_ready(address)
            yield KafkaBroker(process, address)
        finally:
            process.kill()


def _until_ready(address: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            check_broker(address, 1.0)
            return
        except Unavailable:
            assert time.monotonic() < deadline, f"the broker does not answer within {READY_S} s"
