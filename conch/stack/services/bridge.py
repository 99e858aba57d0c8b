"""Our bridge: audio of wearables from the broker to the gateway, events and speech back."""

import importlib.util
import re
import sys
from typing import ClassVar

import httpx

from conch.clients.loopback import loopback_client
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site
from conch.stack.services.llm import MODEL, Llm

DEADLINE_S = 2.0
_CONNECTED = re.compile(r"^conch_bridge_connected 1(\.0)?$", re.MULTILINE)

DEVICES = "devices.json"
"""In the state folder: what `conch devices` writes."""


class Bridge(Service):
    name: ClassVar[str] = "bridge"
    needs: ClassVar[tuple[str, ...]] = ("mqtt", "gateway", "edge")
    starts_early: ClassVar[bool] = True
    ports: ClassVar[dict[str, int]] = {"metrics": 8040}

    @classmethod
    def installed(cls) -> bool:
        return importlib.util.find_spec("paho") is not None and importlib.util.find_spec("iotcore") is not None

    def launch(self, site: Site) -> Launch:
        assistant = {}
        if llm := site.addresses.get(Llm.name):
            assistant = {
                "CONCH_BRIDGE_ASSISTANT_URL": f"http://{llm['http']}/v1",
                "CONCH_BRIDGE_ASSISTANT_MODEL": MODEL,
            }
        return Launch(
            [sys.executable, "-P", "-m", "bridge"],
            {
                "CONCH_BRIDGE_MQTT_ADDRESS": site.addresses["mqtt"]["mqtt5"],
                # rumqttd sends no more at once over MQTT 5, whatever its file says.
                "CONCH_BRIDGE_MAX_UNACKNOWLEDGED": "100",
                "CONCH_BRIDGE_GATEWAY_ADDRESS": site.addresses["edge"]["internal"],
                "CONCH_BRIDGE_METRICS_ADDRESS": site.addresses[self.name]["metrics"],
                "CONCH_BRIDGE_DEVICES_FILE": str(site.folder.root / DEVICES),
                "CONCH_BRIDGE_OUTBOX_FILE": str(site.folder.data / self.name / "outbox.db"),
                "CONCH_BRIDGE_SPOOL_FOLDER": str(site.folder.data / self.name / "spool"),
                **assistant,
            },
        )

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return BridgeProbe(site.addresses[self.name]["metrics"])


class BridgeProbe(Probe):
    """It says itself whether the broker has it subscribed; a broker that is away is no fault of the bridge."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def ready(self) -> None:
        try:
            page = await self._page()
        except httpx.HTTPError as error:
            raise NotYet(repr(error)) from error
        if not _CONNECTED.search(page):
            raise NotYet("it is not subscribed yet")

    async def look(self) -> None:
        try:
            await self._page()
        except httpx.HTTPError as error:
            raise Sick(repr(error), certain=False) from error

    async def _page(self) -> str:
        async with loopback_client(self._address, DEADLINE_S) as client:
            answer = await client.get("/metrics")
        answer.raise_for_status()
        return answer.text
