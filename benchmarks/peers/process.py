"""A peer's server, for as long as a context is open."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.stack.leash import leashed
from conch.stack.serving import free_ports
from conch.stack.triton import HOST

READY_S = 120.0


@contextlib.contextmanager
def serving_peer(python: Path, program: str, *arguments: str) -> Iterator[str]:
    """`program` is a file of this folder, run by the peer's own interpreter and told a port; gives host:port."""
    [port] = free_ports(1)
    command = [str(python), str(Path(__file__).with_name(program)), str(port), *arguments]
    process = subprocess.Popen(leashed(command), start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        _await_port(process, port)
        yield f"{HOST}:{port}"
    finally:
        # Its workers are processes of their own, in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"the peer ended with {process.returncode} before it listened")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise Unavailable(f"the peer did not listen within {READY_S:g} s")
