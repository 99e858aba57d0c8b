"""Rollout: the process that puts versions live which somebody drops into `repository/`."""

import sys
import time
from pathlib import Path
from typing import ClassVar

from conch.rollout.folders import Folders
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site

SILENT_S = 60.0
"""Hashing a large version, on a busy machine, may hold its heartbeat up for a while."""


class Rollout(Service):
    name: ClassVar[str] = "rollout"
    needs: ClassVar[tuple[str, ...]] = ("triton",)
    ports: ClassVar[dict[str, int]] = {"grpc": 8031, "metrics": 8032}
    look_every_s: ClassVar[float] = 5.0

    def launch(self, site: Site) -> Launch:
        triton, own = site.addresses["triton"], site.addresses[self.name]
        faces = ["--models", own["grpc"], "--metrics", own["metrics"]]
        servers = [triton["http"], triton["grpc"]]
        return Launch([sys.executable, "-m", "conch.rollout", str(site.folder.root), *servers, *faces])

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return RolloutProbe(Folders(site.folder.root).heartbeat, process.pid)


class RolloutProbe(Probe):
    """Its heartbeat, by its pid: what it does is seen in the journal."""

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
