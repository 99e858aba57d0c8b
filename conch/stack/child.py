"""One running process of a service, with all that it starts itself: its lines, its end, its burial."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

from conch.stack.leash import leashed
from conch.stack.processes import ProcessMark, end_session, reap_group
from conch.stack.service import Launch

_LINE_BYTES = 16 * 1024
"""A longer line is cut in pieces."""
_POLL_S = 0.1


class Child:
    """Leads a session of its own, and ends with us; start it from the main thread (see leash.py)."""

    def __init__(self, process: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
        self._process = process
        self._on_line = on_line
        self._buffer = b""
        self.mark = ProcessMark.of_child(process.pid)
        self.exited = asyncio.Event()

    @classmethod
    def start(cls, launch: Launch, folder: Path, on_line: Callable[[str], None]) -> Self:
        """`on_line` gets each line of its stdout and stderr. Needs a running event loop."""
        process = subprocess.Popen(
            leashed(launch.command),
            env={**os.environ, **launch.environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        child = cls(process, on_line)
        child._attach()
        return child

    @property
    def how_it_ended(self) -> str:
        """Of an ended process, in words."""
        code = self._process.returncode
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"

    async def end(self, drain_s: float, drained: Callable[[ProcessMark], bool]) -> None:
        """SIGTERM; SIGKILL when `drain_s` have passed, or when `drained` says that nothing is left to wait for."""
        self.mark.signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + drain_s
        empty = 0
        # Twice in a row: between two of its steps a server may look empty for a moment.
        while not self.exited.is_set() and loop.time() < deadline and empty < 2:
            empty = empty + 1 if drained(self.mark) else 0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.exited.wait(), _POLL_S)
        await self.bury()

    async def bury(self) -> None:
        """Kill what is left of it and of what it started; afterwards none of it is there."""
        await asyncio.to_thread(end_session, self.mark)
        self._process.wait()
        reap_group(self.mark.pid)
        self._detach()

    def _attach(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        loop.add_reader(self._process.stdout.fileno(), self._read)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._on_exit)

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.exited.set()

    def _read(self) -> bool:
        """False when there is no more for now."""
        assert self._process.stdout is not None
        try:
            data = os.read(self._process.stdout.fileno(), 64 * 1024)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._process.stdout.fileno())
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        while len(self._buffer) > _LINE_BYTES:
            lines.append(self._buffer[:_LINE_BYTES])
            self._buffer = self._buffer[_LINE_BYTES:]
        for line in lines:
            self._tell(line)
        return True

    def _tell(self, line: bytes) -> None:
        if text := line.decode(errors="replace").rstrip():
            self._on_line(text)

    def _detach(self) -> None:
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        if self._process.stdout.closed:
            return
        while self._read():
            pass
        self._tell(self._buffer)
        loop.remove_reader(self._process.stdout.fileno())
        self._process.stdout.close()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
