"""A node of Cassandra for tests that need one: stopped, killed and started again as they like."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from conch.stack.leash import leashed
from conch.stack.serving import free_ports

HERE = Path(__file__).parent

READY = "Starting listening for CQL clients"
READY_S = 120.0


class Node:
    def __init__(self, jars: Path, folder: Path) -> None:
        self._jars = jars
        self._folder = folder
        self.port, storage = free_ports(2)
        settings = (HERE / "cassandra.yaml").read_text()
        (folder / "cassandra.yaml").write_text(
            settings.replace("{cql}", str(self.port)).replace("{storage}", str(storage))
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it takes questions; nothing is done where it does."""
        if self._process is not None:
            return
        log = self._folder / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(self._command(), cwd=self._folder, stdout=output, stderr=output)
        ends = time.monotonic() + READY_S
        while READY not in (said := log.read_text(errors="replace")):
            assert self._process.poll() is None, f"Cassandra ended: {said[-2000:]}"
            assert time.monotonic() < ends, f"Cassandra is not ready within {READY_S} s: {said[-2000:]}"
            time.sleep(0.05)

    def freeze(self) -> None:
        """Returns when none of its threads runs."""
        self._signal(signal.SIGSTOP)
        while not all(_is_stopped(thread) for thread in Path(f"/proc/{self._pid}/task").iterdir()):
            time.sleep(0.001)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Also one that is frozen."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def _command(self) -> list[str]:
        (jamm,) = self._jars.glob("jamm-*.jar")
        java = shutil.which("java")
        assert java is not None
        return leashed(
            [
                java,
                f"@{HERE / 'java.options'}",
                f"-javaagent:{jamm}",
                f"-Dcassandra.config=file://{self._folder / 'cassandra.yaml'}",
                f"-Dcassandra.storagedir={self._folder / 'data'}",
                f"-Dcassandra.triggers_dir={self._folder}",
                f"-Dlogback.configurationFile={HERE / 'logback.xml'}",
                "-cp",
                f"{self._jars}/*",
                "org.apache.cassandra.service.CassandraDaemon",
            ]
        )


def _is_stopped(thread: Path) -> bool:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
