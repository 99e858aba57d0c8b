"""Our gateway: gRPC and HTTP in front of Triton."""

import asyncio
import sys
from typing import ClassVar

import httpx

from conch.clients.gateway import GatewayClient
from conch.contracts.errors import ConchError, NotFound
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site

DEADLINE_S = 3.0
TEXT = "hello"


class Gateway(Service):
    name: ClassVar[str] = "gateway"
    needs: ClassVar[tuple[str, ...]] = ("redis", "triton")
    ports: ClassVar[dict[str, int]] = {"grpc": 8021, "http": 8020}
    look_every_s: ClassVar[float] = 2.0
    drain_s: ClassVar[float] = 20.0

    def launch(self, site: Site) -> Launch:
        own = site.addresses[self.name]
        return Launch(
            [sys.executable, "-P", "-m", "gateway"],
            {
                "CONCH_GATEWAY_GRPC_ADDRESS": own["grpc"],
                "CONCH_GATEWAY_HTTP_ADDRESS": own["http"],
                "CONCH_GATEWAY_TRITON_ADDRESS": site.addresses["triton"]["grpc"],
            },
        )

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        own = site.addresses[self.name]
        return GatewayProbe(own["grpc"], own["http"])


class GatewayProbe(Probe):
    """A text is understood by gRPC, and HTTP answers; on new connections, so that no process is left out for long."""

    def __init__(self, grpc: str, http: str) -> None:
        self._grpc = grpc
        self._http = http

    async def ready(self) -> None:
        try:
            await self._use()
        except (ConchError, httpx.HTTPError) as error:
            raise NotYet(_said(error)) from error

    async def look(self) -> None:
        try:
            await self._use()
        except (ConchError, httpx.HTTPError) as error:
            raise Sick(_said(error), certain=False) from error

    async def _use(self) -> None:
        await asyncio.to_thread(self._understand)
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as client:
            (await client.get(f"http://{self._http}/health")).raise_for_status()

    def _understand(self) -> None:
        with GatewayClient(self._grpc) as gateway:
            try:
                gateway.understand(TEXT, timeout_s=DEADLINE_S)
            except NotFound:  # a repository without our intent model is no fault of the gateway
                gateway.ready(timeout_s=DEADLINE_S)


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ConchError) else repr(error)
