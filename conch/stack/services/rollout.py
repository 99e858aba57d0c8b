"""Rollout: the process that puts versions live which somebody drops into `repository/`."""

import sys
from typing import ClassVar

from conch.rollout.folders import Folders
from conch.stack.heartbeat import HeartbeatProbe
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, Probe, Service, Site


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
        return HeartbeatProbe(Folders(site.folder.root).heartbeat, process.pid)
