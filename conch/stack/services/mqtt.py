"""The MQTT broker: rumqttd, from the iotcore wheel. It keeps nothing over a restart, and says who it is to anybody.

MQTT 3.1.1 and MQTT 5 have a port each; both share their topics.
"""

import asyncio
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from conch.contracts.errors import Unavailable
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site

DEADLINE_S = 1.0

MAX_PAYLOAD_BYTES = 1024 * 1024
"""Its own default is 20 KiB, and whoever sends more is disconnected."""

MAX_IN_FLIGHT = 1000
"""Unacknowledged messages to one subscriber; its own default is 100."""

_CONNECT = bytes([0x10, 13, 0, 4, *b"MQTT", 4, 2, 0, 10, 0, 1, 0x7E])
"""MQTT 3.1.1's, of a client that is called ~ and wants no session."""

_ACCEPTED = bytes([0x20, 2, 0, 0])

_CONFIG = """\
id = 0
[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 2000
max_segment_size = 104857600
max_segment_count = 10
"""

_LISTENER = """\
[{version}.1]
name = "{version}"
listen = "{address}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload}
max_inflight_count = {in_flight}
dynamic_filters = true
"""


class Mqtt(Service):
    name: ClassVar[str] = "mqtt"
    ports: ClassVar[dict[str, int]] = {"mqtt": 1883, "mqtt5": 1884}

    @classmethod
    def installed(cls) -> bool:
        return importlib.util.find_spec("iotcore") is not None

    def prepare(self, site: Site) -> None:
        if not self.installed():
            raise Unavailable("iotcore is not installed in this environment: pip install 'conch[stack]'")
        own = site.addresses[self.name]
        self._config(site).parent.mkdir(parents=True, exist_ok=True)
        self._config(site).write_text(configuration(own["mqtt"], own["mqtt5"]))

    def launch(self, site: Site) -> Launch:
        return Launch(command(self._config(site)))

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return MqttProbe(site.addresses[self.name]["mqtt"])

    def _config(self, site: Site) -> Path:
        return site.folder.data / self.name / "rumqttd.toml"


class MqttProbe(Probe):
    """A client connects, and is let in."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")

    async def ready(self) -> None:
        try:
            await self._connect()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise NotYet(f"does not answer: {error!r}") from error

    async def look(self) -> None:
        try:
            await self._connect()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Sick(f"does not answer: {error!r}", certain=False) from error

    async def _connect(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(self._host, int(self._port))
            try:
                writer.write(_CONNECT)
                answer = await reader.readexactly(len(_ACCEPTED))
                writer.write(b"\xe0\x00")
                await writer.drain()
            finally:
                writer.close()
        if answer != _ACCEPTED:
            raise ConnectionRefusedError(f"a client is answered {answer.hex()}")


def configuration(mqtt: str, mqtt5: str) -> str:
    """Of the two addresses, in rumqttd's TOML."""
    listeners = {"v4": mqtt, "v5": mqtt5}
    return _CONFIG + "".join(
        _LISTENER.format(version=version, address=address, payload=MAX_PAYLOAD_BYTES, in_flight=MAX_IN_FLIGHT)
        for version, address in listeners.items()
    )


def command(config: Path) -> Sequence[str]:
    # What rumqttd logs of each message it logs as an error.
    return [sys.executable, "-P", "-m", "iotcore", "--config", str(config), "--log-level", "CRITICAL"]
