"""The brokers that the bridge's tests run on: the embedded one here, Mosquitto in tests/services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from conch.stack.services.mqtt import command, configuration
from conch.stack.serving import free_ports


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM, for TLS."""

    authorities: Path
    certificate: Path
    key: Path


class Broker(Protocol):
    @property
    def ports(self) -> Sequence[int]:
        """On all of which it answers when it runs."""

    def prepare(self) -> Sequence[str]:
        """Its files; what starts it."""

    def port(self, version: int) -> int:
        """For devices that speak MQTT in paho's `version`."""

    def client_id(self, device: str, version: int) -> str: ...

    def credentials(self, tenant: str, device: str) -> Credentials | None: ...

    def bridge_settings(self) -> Mapping[str, object]: ...


class Embedded:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = free_ports(2)

    def prepare(self) -> Sequence[str]:
        config = self._folder / "rumqttd.toml"
        config.write_text(configuration(*(f"127.0.0.1:{port}" for port in self.ports)))
        return command(config)

    def port(self, version: int) -> int:
        return self.ports[version == 5]

    def client_id(self, device: str, version: int) -> str:
        return f"{device}-{version}"

    def credentials(self, tenant: str, device: str) -> Credentials | None:
        return None

    def bridge_settings(self) -> Mapping[str, object]:
        return {"mqtt_address": f"127.0.0.1:{self.ports[1]}"}
