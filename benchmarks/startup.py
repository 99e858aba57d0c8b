"""From `conch up` to ready, the resident memory of each process, and how long a killed one is missed.

    python -m benchmarks.startup

The first start has an empty state folder, so that repository/ and live/ are filled from checked weights; the second
finds them. Files may be in the machine's page cache both times.
"""

import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from conch.clients.loopback import loopback_client
from conch.clients.triton_http import TritonHttp, Unanswered
from conch.stack.processes import ProcessMark, session_members
from conch.stack.samples import sample
from conch.stack.state import StackStatus, StateFolder
from conch.stack.stubs import Stub

RESULT = Path(__file__).parent / "results" / "startup.json"
SUPERVISOR = "supervisor"
GIVE_UP_S = 60.0
LOOK_S = 0.1


class Stack:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = StateFolder(root)

    def conch(self, *arguments: str) -> float:
        """Seconds that the command took."""
        start = time.perf_counter()
        command = [sys.executable, "-P", "-m", "conch.cli", *arguments, "--state", str(self._root)]
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    @property
    def status(self) -> StackStatus:
        status = self._folder.read_status()
        if status is None:
            raise RuntimeError(f"no stack runs in {self._root}")
        return status

    def processes(self) -> dict[str, int]:
        """Pid of each: a service's first process by the service's name, a stub by its instance's."""
        named = {SUPERVISOR: self.status.pid}
        for service, status in self.status.services.items():
            for member in session_members(status.mark) if status.mark else ():
                stub = Stub.of(member.pid)
                name = service if member == status.mark else f"{service}: {stub.instance if stub else member.pid}"
                named[name] = member.pid
        return named

    def memory(self) -> dict[str, dict[str, float]]:
        """MiB of each process: resident, and what is left of that when shared pages are divided among their users."""
        memory = {name: psutil.Process(pid).memory_full_info() for name, pid in self.processes().items()}
        return {
            name: {"resident_mib": _mib(info.rss), "proportional_mib": _mib(info.pss)} for name, info in memory.items()
        }

    def missed_s(self, name: str) -> float:
        """Seconds from SIGKILL of the process until another is in its place, all are ready and every model answers."""
        mark = ProcessMark.of_child(self.processes()[name])
        start = time.perf_counter()
        mark.end()
        while not (self.status.ready and self._replaced(name, mark.pid) and asyncio.run(self._answers())):
            if time.perf_counter() - start > GIVE_UP_S:
                raise RuntimeError(f"{name} was missed for more than {GIVE_UP_S} s")
            time.sleep(LOOK_S)  # whoever looks takes processor time from what heals
        return time.perf_counter() - start

    def _replaced(self, name: str, pid: int) -> bool:
        return self.processes().get(name, pid) != pid

    async def _answers(self) -> bool:
        services = self.status.services
        with contextlib.suppress(httpx.HTTPError, Unanswered, KeyError):
            async with TritonHttp(services["triton"].addresses["http"]) as triton:
                for model in await triton.models():
                    config = await triton.config(model.name)
                    if config.get("platform") != "ensemble" and await triton.infer(config, sample(config), 10.0):
                        return False
            async with loopback_client(services["gateway"].addresses["http"], 10.0) as gateway:
                return (await gateway.get("/health")).is_success
        return False


def main(out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT) -> None:
    """Start, measure, kill, stop and start again a stack of its own."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "state")
        report = measure(stack)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def measure(stack: Stack) -> dict[str, Any]:
    first_s = stack.conch("up", "--detach")
    try:
        memory = stack.memory()
        missed = {name: stack.missed_s(name) for name in stack.processes() if name != SUPERVISOR}
    finally:
        down_s = stack.conch("down")
    second_s = stack.conch("up", "--detach")
    stack.conch("down")
    return {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "seconds": {
            "first_start": round(first_s, 2),
            "second_start": round(second_s, 2),
            "stop": round(down_s, 2),
            "until_a_killed_process_is_not_missed": {name: round(seconds, 2) for name, seconds in missed.items()},
        },
        "ratios": {"second_start_over_first": round(second_s / first_s, 2)},
        "memory": memory,
        "memory_total": {
            kind: round(sum(one[kind] for one in memory.values()), 1) for kind in ("resident_mib", "proportional_mib")
        },
    }


def _mib(size_bytes: int) -> float:
    return round(size_bytes / 2**20, 1)


if __name__ == "__main__":
    typer.run(main)
