"""Features: the process that packs what other programs write, and publishes the host's snapshots of catalogues."""

import importlib.util
import sys
from pathlib import Path
from typing import ClassVar

from conch.stack.heartbeat import HeartbeatProbe
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, Probe, Service, Site
from conch.stores.catalogue_folder import CATALOGUES

NEEDED = ("duckdb", "numba", "redis")


class Features(Service):
    """Idle, and then cheap, where there is no catalogue: it takes one up that is made later."""

    name: ClassVar[str] = "features"
    needs: ClassVar[tuple[str, ...]] = ("redis",)
    start_s: ClassVar[float] = 60.0
    look_every_s: ClassVar[float] = 5.0

    @classmethod
    def installed(cls) -> bool:
        return all(importlib.util.find_spec(name) is not None for name in NEEDED)

    def launch(self, site: Site) -> Launch:
        catalogues, redis = site.folder.root / CATALOGUES, site.addresses["redis"]["redis"]
        arguments = [str(catalogues), redis, str(_heartbeat(site))]
        return Launch([sys.executable, "-m", "conch.features", *arguments])

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return HeartbeatProbe(_heartbeat(site), process.pid)


def _heartbeat(site: Site) -> Path:
    return site.folder.data / Features.name / "heartbeat"
