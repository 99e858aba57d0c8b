"""Our gateway: gRPC and HTTP in front of Triton, which it reaches through the edge's internal listener."""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from typing import ClassVar

import httpx

from conch.clients.edge import Client, Retries
from conch.clients.loopback import loopback_client
from conch.contracts.errors import ConchError, Unavailable
from conch.contracts.on_demand import says_resting
from conch.rollout.folders import Folders
from conch.rollout.policy import Policy
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site
from conch.stack.turns import turns
from conch.stores.catalogue_folder import CATALOGUES
from conch.tracing import collector

logger = logging.getLogger(__name__)

DEADLINE_S = 2.0
HEALTH_DEADLINE_S = 10.0
"""Longer than the gateway waits for a model that does not answer."""
TEXT = "hello"
REQUEST_ID = "probe"
"""Tells probes from callers in the logs."""
ONCE = Retries(attempts=1)
"""A probe tells how things are now."""


class Gateway(Service):
    name: ClassVar[str] = "gateway"
    needs: ClassVar[tuple[str, ...]] = ("redis", "triton", "edge")
    starts_early: ClassVar[bool] = True
    ports: ClassVar[dict[str, int]] = {"grpc": 8021, "http": 8020}
    look_every_s: ClassVar[float] = 1.0
    drain_s: ClassVar[float] = 20.0

    def launch(self, site: Site) -> Launch:
        own = site.addresses[self.name]
        return Launch(
            [sys.executable, "-P", "-m", "gateway"],
            {
                "CONCH_GATEWAY_GRPC_ADDRESS": own["grpc"],
                "CONCH_GATEWAY_HTTP_ADDRESS": own["http"],
                "CONCH_GATEWAY_TRITON_ADDRESS": site.addresses["edge"]["internal"],
                "CONCH_GATEWAY_SCRAPE_TRITONS": json.dumps([site.addresses["triton"]["metrics"]]),
                "CONCH_GATEWAY_SCRAPE_ROLLOUT": site.addresses.get("rollout", {}).get("metrics", ""),
                "CONCH_GATEWAY_SCRAPE_EDGE": site.addresses["edge"]["internal"],
                "CONCH_GATEWAY_ON_DEMAND": str(Folders(site.folder.root).on_demand.path),
                "CONCH_GATEWAY_VITAL": json.dumps(_vital(site)),
                "CONCH_GATEWAY_FAULTS": str(Folders(site.folder.root).faults.path),
                "CONCH_GATEWAY_CATALOGUES": str(site.folder.root / CATALOGUES),
                "CONCH_GATEWAY_REDIS_ADDRESS": site.addresses["redis"]["redis"],
                "CONCH_GATEWAY_EVENTS_ADDRESS": site.addresses.get("kafka", {}).get("kafka", ""),
                **turns(),
                **collector(site.settings.otlp),
                # Not in /tmp: what a killed gateway leaves there nobody finds again.
                "CONCH_GATEWAY_METRICS_FOLDER": str(site.folder.data / self.name / "metrics"),
            },
        )

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        own = site.addresses[self.name]
        return GatewayProbe(own["grpc"], own["http"])


class GatewayProbe(Probe):
    """At the start a text is understood; then health is asked, which infers. New connections leave no process out.

    A model that is not well is no fault of the gateway: Triton's own probe sees to it.
    """

    def __init__(self, grpc: str, http: str) -> None:
        self._grpc = grpc
        self._http = http

    async def ready(self) -> None:
        try:
            await self._ask_http()
            await asyncio.to_thread(self._understand)
            if not await asyncio.to_thread(self._healthy):
                logger.warning("the gateway is ready, but not every model of its services is")
        except (ConchError, httpx.HTTPError) as error:
            raise NotYet(_said(error)) from error

    async def look(self) -> None:
        try:
            await self._ask_http()
            await asyncio.to_thread(self._healthy)
        except (ConchError, httpx.HTTPError) as error:
            raise Sick(_said(error), certain=False) from error

    async def _ask_http(self) -> None:
        async with loopback_client(self._http, DEADLINE_S) as client:
            (await client.get("/metrics")).raise_for_status()

    def _understand(self) -> None:
        with Client(self._grpc, retries=ONCE) as gateway:
            try:
                gateway.understand(TEXT, timeout_s=DEADLINE_S, request_id=REQUEST_ID)
            except Unavailable as error:
                if not says_resting(error.message):  # its model is on demand, and this is no demand
                    raise

    def _healthy(self) -> bool:
        with Client(self._grpc, retries=ONCE) as gateway:
            return gateway.ready(timeout_s=HEALTH_DEADLINE_S)


def _vital(site: Site) -> Sequence[str]:
    """As rollout.toml says when a gateway starts; one that is wrong names none, and its reader says so."""
    try:
        return Policy.read(site.folder.root).vital
    except Unavailable:
        return ()


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ConchError) else repr(error)
