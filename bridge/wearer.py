"""Who is told something: one device in one of its sessions."""

from dataclasses import dataclass

from conch.contracts.topics import DeviceId


@dataclass(frozen=True, slots=True)
class Wearer:
    device: DeviceId
    session: str
    numbered: bool
    """The device numbers its chunks. One that does not is sent no user properties: rumqttd's MQTT 3.1.1 breaks over
    them."""
