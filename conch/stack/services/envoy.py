"""The edge: Envoy, in front of Triton and the gateway, on Triton's usual ports."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import ClassVar

import httpx

from conch.contracts.errors import InvalidRequest
from conch.edge.clusters import Target
from conch.edge.edge import Edge
from conch.edge.exposure import Exposure
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.rollout.folders import Folders
from conch.rollout.servers import ServerStatuses, without_calls
from conch.stack.envoy import binary, command
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site
from conch.stack.state import StateFolder

logger = logging.getLogger(__name__)

DEADLINE_S = 2.0

LOOK_S = 0.05
STILL_LOOKS = 10
"""In a row without a call: the edge has drained."""

# Made once: httpx reads every root certificate for each client that is given none.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CHECKED = (Target.TRITON_GRPC.value, Target.TRITON_HTTP.value)


class Envoy(Service):
    """Keys and what Envoy reads stand in data/edge, tenants in tenants.toml, where it listens in edge.toml."""

    name: ClassVar[str] = "edge"
    ports: ClassVar[dict[str, int]] = {"grpc": 8001, "http": 8000, "metrics": 8002, "internal": 8003}
    needs: ClassVar[tuple[str, ...]] = ("triton",)
    starts_early: ClassVar[bool] = True
    start_s: ClassVar[float] = 120.0
    """As long as Triton may take, should both have to start again."""
    look_every_s: ClassVar[float] = 0.5
    """Within this time a changed tenants file counts."""

    def __init__(self) -> None:
        self._exposure: Exposure | None = None

    def hosts(self, folder: StateFolder) -> Mapping[str, str]:
        exposure = self._read_exposure(folder)
        return {"grpc": exposure.listen, "http": exposure.listen, "metrics": exposure.listen_metrics}

    def check(self, site: Site) -> None:
        self._edge(site).check()

    def prepare(self, site: Site) -> None:
        binary()
        self._edge(site).prepare()

    def launch(self, site: Site) -> Launch:
        return Launch(command(self._edge(site)))

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return EnvoyProbe(self._edge(site), Folders(site.folder.root).servers)

    async def drain(self, site: Site) -> None:
        await drain(self._edge(site))

    def _edge(self, site: Site) -> Edge:
        return edge_of(site, self._read_exposure(site.folder))

    def _read_exposure(self, folder: StateFolder) -> Exposure:
        """Once: a file that is changed, and wrong, must not keep a crashed edge from coming back."""
        if self._exposure is None:
            self._exposure = Exposure.read(folder.root / "edge.toml")
        return self._exposure


class EnvoyProbe(Probe):
    """Envoy says itself that it serves, and at the start that it has found Triton well.

    At the pace of the looks the tenants file is looked at, too, and what the rollout controller says of the servers.
    """

    def __init__(self, edge: Edge, servers: ServerStatuses) -> None:
        self._edge = edge
        self._servers = servers
        self._complaint = ""

    async def ready(self) -> None:
        try:
            await self._ask("/ready")
            sick = _sick_tritons(await self._ask("/clusters"))
        except (httpx.HTTPError, OSError) as error:
            raise NotYet(repr(error)) from error
        if sick:
            raise NotYet(f"no way to Triton yet: {', '.join(sick)}")

    async def look(self) -> None:
        try:
            await self._ask("/ready")
        except (httpx.HTTPError, OSError) as error:
            raise Sick(repr(error), certain=False) from error
        await asyncio.to_thread(self._follow_tenants)
        await asyncio.to_thread(self._follow_servers)

    async def _ask(self, path: str) -> str:
        async with _admin(self._edge) as admin:
            answer = await admin.get(path)
        answer.raise_for_status()
        return answer.text

    def _follow_tenants(self) -> None:
        complaint = ""
        try:
            if self._edge.publish_tenants():
                logger.info("edge: the tenants file has changed, or what is on demand")
        except (InvalidRequest, OSError) as error:
            complaint = f"edge: the tenants file stays without effect: {error}"
        if complaint and complaint != self._complaint:
            logger.warning("%s", complaint)
        self._complaint = complaint

    def _follow_servers(self) -> None:
        leaving = [Address.parse(face) for one in without_calls(self._servers.read()) for face in (one.http, one.grpc)]
        if self._edge.publish_endpoints(leaving):
            logger.info("edge: Tritons without new calls: %s", ", ".join(map(str, leaving)) or "none")


async def drain(edge: Edge) -> None:
    """Nobody new comes in, and who is there leaves with his call. By itself Envoy ends with SIGTERM, and every call."""
    async with _admin(edge) as admin:
        (await admin.post("/drain_listeners")).raise_for_status()
        # Callers whose connection stays are told to leave it: else they ask on until it breaks under a call.
        (await admin.post("/healthcheck/fail")).raise_for_status()
        still = 0
        # Between two calls of one connection there is none: who calls all the time has been told to leave by then.
        while still < STILL_LOOKS:
            active = _active((await admin.get("/stats?filter=downstream_rq_active$")).text)
            still = 0 if active else still + 1
            await asyncio.sleep(LOOK_S)


def _admin(edge: Edge) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(edge.files.admin_socket), verify=_NO_TLS)
    return httpx.AsyncClient(transport=transport, base_url="http://envoy", timeout=DEADLINE_S)


def _active(stats: str) -> int:
    """Calls under way, but for scrapes; the lines are like http.edge.downstream_rq_active: 2."""
    counts = [line.rsplit(": ", 1) for line in stats.splitlines() if ": " in line]
    return sum(int(count) for name, count in counts if name.startswith(("http.edge.", "http.internal.")))


def _sick_tritons(clusters: str) -> list[str]:
    """Of Envoy's list, which has lines like triton_grpc::127.0.0.1:8011::health_flags::healthy."""
    flags = [line.split("::health_flags::") for line in clusters.splitlines() if "::health_flags::" in line]
    return [name for name, flag in flags if name.startswith(_CHECKED) and flag != "healthy"]


def edge_of(site: Site, exposure: Exposure) -> Edge:
    own, triton = site.addresses[Envoy.name], site.addresses["triton"]
    # Not one of those it needs: the gateway reaches Triton through here, and needs the edge.
    gateway = {face: Address.parse(address) for face, address in site.addresses.get("gateway", {}).items()}
    settings = EdgeSettings(
        Listening(*(Address.parse(own[face]) for face in ("grpc", "http", "metrics", "internal"))),
        Upstreams(
            [TritonServer(*(Address.parse(triton[face]) for face in ("grpc", "http", "metrics")))],
            gateway.get("grpc"),
            gateway.get("http"),
            metrics=gateway.get("http"),
            pings=True,
            otlp=Address.parse(site.settings.otlp) if site.settings.otlp else None,
            models=Address.parse(rollout["grpc"]) if (rollout := site.addresses.get("rollout")) else None,
        ),
        exposure.tls,
        plain_text=exposure.plain_text,
        traced_percent=site.settings.traced_percent,
    )
    folders = Folders(site.folder.root)
    return Edge(settings, site.folder.data / Envoy.name, site.folder.root / "tenants.toml", folders.on_demand.read)
