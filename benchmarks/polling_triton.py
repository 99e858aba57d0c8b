"""Triton that looks into its repository itself, once a second: what ours is held against."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from conch.contracts.errors import Unavailable
from conch.stack.leash import leashed
from conch.stack.serving import free_ports
from conch.stack.shm import prefix_of, sweep
from conch.stack.triton import HOST, TritonAddresses, TritonInstallation

_EXPLICIT = ("--model-control-mode=explicit", "--load-model=*")
READY_S = 60.0


@contextlib.contextmanager
def polling_triton(folder: Path, repository: Path) -> Iterator[TritonAddresses]:
    """All else is as `conch up` starts it."""
    installation = TritonInstallation.prepare(folder / "backends")
    addresses = TritonAddresses(*(f"{HOST}:{port}" for port in free_ports(3)))
    command = installation.command([repository], addresses, shm_prefix=prefix_of(folder))
    polling = [word for word in command if word not in _EXPLICIT]
    with (folder / "triton.log").open("wb") as log:
        process = subprocess.Popen(
            leashed([*polling, "--model-control-mode=poll", "--repository-poll-secs=1"]),
            env=installation.environment(os.environ),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        _await_ready(process, addresses)
        yield addresses
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        process.kill()
        process.wait()
        sweep(prefix_of(folder))


def _await_ready(process: "subprocess.Popen[bytes]", addresses: TritonAddresses) -> None:
    ends = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://{addresses.http}/v2/health/ready", timeout=5).is_success:
                return
        time.sleep(0.05)
    raise Unavailable(f"a polling Triton is not ready after {READY_S} s")
