"""Whose a device is, of several bridges: by rendezvous hashing of its name, so one more moves only what it gets."""

import hashlib
from dataclasses import dataclass

from conch.contracts.errors import InvalidRequest
from conch.contracts.topics import AUDIO_FILTERS, DeviceId


@dataclass(frozen=True, slots=True)
class Share:
    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InvalidRequest(f"share_index is {self.index}, and share_count {self.count}: it counts from 0")

    def owns(self, device: DeviceId) -> bool:
        return self.count == 1 or max(range(self.count), key=lambda index: _weight(index, device)) == self.index


def audio_filters(shared_group: str) -> tuple[str, ...]:
    """What a bridge subscribes to; empty: to everything, by itself."""
    prefix = f"$share/{shared_group}/" if shared_group else ""
    return tuple(f"{prefix}{topic}" for topic in AUDIO_FILTERS)


def _weight(index: int, device: DeviceId) -> bytes:
    return hashlib.blake2b(f"{index}/{device.tenant}/{device.device}".encode(), digest_size=8).digest()
