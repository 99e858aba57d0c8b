"""A service whose process shows that it works by a file: its pid, written again and again."""

import time
from pathlib import Path

from conch.stack.service import NotYet, Probe, Sick

SILENT_S = 60.0
"""Something large, on a busy machine, may hold a heartbeat up for a while."""


class HeartbeatProbe(Probe):
    """Of one process, by its pid."""

    def __init__(self, heartbeat: Path, pid: int) -> None:
        self._heartbeat = heartbeat
        self._pid = pid

    async def ready(self) -> None:
        try:
            found = self._heartbeat.read_text().strip()
        except FileNotFoundError:
            found = ""
        if found != str(self._pid):
            raise NotYet(f"the heartbeat is of pid {found or 'nobody'}, not of {self._pid}")

    async def look(self) -> None:
        try:
            silent_s = time.time() - self._heartbeat.stat().st_mtime
        except FileNotFoundError:
            raise Sick("its heartbeat is gone", certain=False) from None
        if silent_s > SILENT_S:
            raise Sick(f"no heartbeat for {silent_s:.0f} s")
