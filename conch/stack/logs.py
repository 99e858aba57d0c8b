"""Every line of every service: in a file each, bounded, and in one coloured stream where somebody watches."""

import contextlib
import logging
import queue
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

SUPERVISOR = "stack"
"""Source of the supervisor's own lines."""

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta")
_NAME_WIDTH = 8


class LogFile:
    """Appends lines; the file and the one before it hold at most `limit_bytes` each."""

    def __init__(self, path: Path, limit_bytes: int = 16 * 2**20) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._size_bytes = path.stat().st_size

    def write(self, line: str) -> None:
        data = line.encode(errors="replace") + b"\n"
        if self._size_bytes and self._size_bytes + len(data) > self._limit_bytes:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab", buffering=0)
            self._size_bytes = 0
        self._file.write(data)
        self._size_bytes += len(data)

    def close(self) -> None:
        self._file.close()


class Logs:
    """Where lines go. `console` None: nobody watches, the files are all."""

    def __init__(self, folder: Path, console: Console | None = None, tail: int = 12) -> None:
        self._folder = folder
        self._screen = Screen(console) if console is not None else None
        self._files: dict[str, LogFile] = {}
        self._tails: dict[str, deque[str]] = {}
        self._tail = tail

    def line(self, source: str, text: str) -> None:
        if source not in self._files:
            self._files[source] = LogFile(self._folder / f"{source}.log")
            self._tails[source] = deque(maxlen=self._tail)
        self._tails[source].append(text)
        with contextlib.suppress(OSError):  # a full disk must not end what is logged
            self._files[source].write(text)
        if self._screen is not None:
            self._screen.show(source, text)

    def tail(self, source: str) -> list[str]:
        """The last lines of this run."""
        return list(self._tails.get(source, ()))

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        if self._screen is not None:
            self._screen.close()


class Screen:
    """Prints from a thread of its own: a terminal that does not read must not stop the supervisor."""

    def __init__(self, console: Console, size: int = 10_000) -> None:
        self._console = console
        self._colours: dict[str, str] = {SUPERVISOR: "bold white"}
        # When it is full, lines are left out of the stream, and counted; the files have them all.
        self._queue: queue.Queue[tuple[str, str] | None] = queue.Queue(size)
        self._left_out = 0
        self._thread = threading.Thread(target=self._print_all, name="screen", daemon=True)
        self._thread.start()

    def show(self, source: str, text: str) -> None:
        try:
            self._queue.put_nowait((source, text))
        except queue.Full:
            self._left_out += 1

    def close(self, timeout_s: float = 2.0) -> None:
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _print_all(self) -> None:
        while (item := self._queue.get()) is not None:
            source, text = item
            if self._left_out:
                left_out, self._left_out = self._left_out, 0
                self._print(SUPERVISOR, f"{left_out} lines are not shown: the terminal was too slow; see the log files")
            self._print(source, text)

    def _print(self, source: str, text: str) -> None:
        colour = self._colours.setdefault(source, _COLOURS[(len(self._colours) - 1) % len(_COLOURS)])
        line = Text.assemble((f"{source:<{_NAME_WIDTH}} │ ", colour))
        line.append_text(Text.from_ansi(text) if "\x1b" in text else Text(text))
        try:
            self._console.print(line, soft_wrap=True, highlight=False)
        except (OSError, SystemExit):  # rich exits where a pipe is broken
            self._console.file = open("/dev/null", "w")  # noqa: SIM115 - nobody reads any more; held until we end


class SupervisorLines(logging.Handler):
    """Our own log records as lines of the stream."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for line in self.format(record).splitlines():
                self._logs.line(SUPERVISOR, line)
        except Exception:  # noqa: BLE001 - an edge: a log that cannot be written must not end what it reports on
            self.handleError(record)


def watching_console() -> Console:
    return Console(file=sys.stdout, highlight=False)
