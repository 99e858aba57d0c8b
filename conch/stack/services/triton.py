"""Triton, with every model: a real tritonserver, from the nvidia-pytriton wheel."""

import logging
import os
from pathlib import Path
from typing import ClassVar

from conch.clients.faults import EVERY
from conch.clients.triton_loads import TritonLoads
from conch.contracts.errors import ConchError
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE
from conch.rollout.folders import Folders
from conch.rollout.lock import holding
from conch.rollout.on_demand.units import loaded_at_start, units
from conch.rollout.restoring import sweep_candidates
from conch.rollout.servers import STACK
from conch.stack.heals import Heals
from conch.stack.kernels import kernels
from conch.stack.leaks import LeakBound
from conch.stack.processes import ProcessMark, session_members
from conch.stack.repository import ENSEMBLES, MODELS, checkout, fill_live, fill_repository
from conch.stack.service import Hopeless, Launch, Probe, Service, Site
from conch.stack.shm import PREFIX, STRAY_S, prefix_of, sweep
from conch.stack.triton import TritonAddresses, TritonInstallation
from conch.stack.triton_probe import TritonProbe
from conch.stores.catalogue_folder import CATALOGUES
from conch.tracing import collector
from conch.weights.cache import verified_weights

logger = logging.getLogger(__name__)

CONFIG_OF_GPU = "gpu"


class Triton(Service):
    name: ClassVar[str] = "triton"
    ports: ClassVar[dict[str, int]] = {"grpc": 8011, "http": 8010, "metrics": 8012}
    needs: ClassVar[tuple[str, ...]] = ("redis",)  # models may read it
    starts_early: ClassVar[bool] = True
    start_s: ClassVar[float] = 120.0
    look_every_s: ClassVar[float] = 0.5
    drain_s: ClassVar[float] = 15.0

    def __init__(self) -> None:
        self._starts = 0
        self._probe: TritonProbe | None = None
        self._heals = Heals()

    def prepare(self, site: Site) -> None:
        """Checked weights and the checkout's models into `repository/`, all that is there into `live/`."""
        weights = verified_weights()
        fill_repository(checkout(), site.folder.repository, weights)
        folders = Folders(site.folder.root)
        with holding(folders.lock):
            folders.config_name = CONFIG_OF_GPU if site.settings.gpu else ""
            if not fill_live(site.folder.repository, site.folder.root / "live"):
                raise Hopeless(f"there is no model in {site.folder.repository}")
        folders.servers.write([])
        _tell_on_demand(folders)
        TritonInstallation.prepare(self._backends(site))
        kernels(self._kernels(site))

    def launch(self, site: Site) -> Launch:
        installation = TritonInstallation.prepare(self._backends(site))
        addresses = TritonAddresses(**site.addresses[self.name])
        live = site.folder.root / "live"
        folders = Folders(site.folder.root)
        sweep_candidates(folders)
        folders.orders.forget(STACK)
        folders.faults.begin([EVERY], "Triton is being started")
        command = installation.command(
            [live / MODELS, live / ENSEMBLES],
            addresses,
            shm_prefix=prefix_of(site.folder.root),
            config_name=CONFIG_OF_GPU if site.settings.gpu else None,
            otlp_http=site.settings.otlp_http,
            loads=loaded_at_start(folders),
        )
        self._starts += 1
        told = {
            ADDRESS_VARIABLE: site.addresses["redis"]["redis"],
            CATALOGUES_VARIABLE: str(site.folder.root / CATALOGUES),
            **kernels(self._kernels(site)),
            **collector(site.settings.otlp),
        }
        return Launch(command, installation.environment({**os.environ, **told}))

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        own = site.addresses[self.name]
        self._probe = TritonProbe(
            own["http"],
            TritonLoads(own["grpc"]),
            process,
            Folders(site.folder.root),
            first_start=self._starts == 1,
            heals=self._heals,
            leak=LeakBound(bytes_per_s=site.settings.leak_mib_per_min * 2**20 / 60),
        )
        return self._probe

    def drained(self, process: ProcessMark) -> bool:
        """Its stubs are gone: it waits only for those that had died before, and would for as long as it may."""
        retired = self._probe.retired if self._probe is not None else set()
        return set(session_members(process)) - retired == {process}

    def sweep(self, site: Site) -> None:
        Folders(site.folder.root).faults.begin([EVERY], "Triton has ended")
        sweep(prefix_of(site.folder.root))
        sweep(PREFIX, older_than_s=STRAY_S)

    def _backends(self, site: Site) -> Path:
        return site.folder.data / self.name / "backends"

    def _kernels(self, site: Site) -> Path:
        return site.folder.data / self.name / "kernels"


def _tell_on_demand(folders: Folders) -> None:
    """So that the edge asks from its first call on."""
    try:
        folders.on_demand.write(dict.fromkeys(units(folders).by_model, False))
    except ConchError as error:
        logger.warning("no model is on demand: %s", error.message)
        folders.on_demand.write({})
