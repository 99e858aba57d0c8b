"""MQTT topics of wearables, and the user properties of what is published there. docs/bridge.md is the manual.

    wearable/{device}/audio      from the device: one chunk a message
    wearable/{device}/events     to the device: JSON
    wearable/{device}/speech     to the device: PCM
    team/summon                  to whoever sends teams: JSON

These are the default tenant's. Another tenant's stand under t/{tenant}/.
"""

import re
from dataclasses import dataclass
from typing import Self

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import TENANT_NAME

DEFAULT_TENANT = "default"
DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""No topic level, no wildcard, no path: a device's name is one in MQTT, in a log and in a label."""

AUDIO_FILTERS = ("wearable/+/audio", "t/+/wearable/+/audio")
"""What a bridge subscribes to."""

BROKER_CHECK = "conch/bridge"
"""Under it each bridge has a topic by its client id, where it tries the broker out at its start."""

SESSION, SEQUENCE, OFFSET, RATE, ENCODING = "session", "seq", "offset", "rate", "encoding"
LAST = "last"
""""true" on the last message, of a session or of a reply."""
COMMAND_ID = "command_id"
"""Of speech alone: which decision it answers."""

_AUDIO = re.compile(r"(?:t/([^/]+)/)?wearable/([^/]+)/audio")


def summon_topic(tenant: str) -> str:
    return f"{_prefix(tenant)}team/summon"


def _prefix(tenant: str) -> str:
    return "" if tenant == DEFAULT_TENANT else f"t/{tenant}/"


@dataclass(frozen=True, slots=True, order=True)
class DeviceId:
    tenant: str
    device: str

    @classmethod
    def of_audio(cls, topic: str) -> Self:
        """Raises InvalidRequest for a topic that is no device's."""
        match = _AUDIO.fullmatch(topic)
        if match is None or match[1] == DEFAULT_TENANT:
            raise InvalidRequest("the topic is not wearable/{device}/audio, nor t/{tenant}/wearable/{device}/audio")
        return cls(match[1] or DEFAULT_TENANT, match[2]).checked()

    def checked(self) -> Self:
        if not TENANT_NAME.fullmatch(self.tenant):
            raise InvalidRequest(f"tenant {self.tenant!r} is not named with a-z, 0-9, - and _, at most 63 of them")
        if not DEVICE_NAME.fullmatch(self.device):
            raise InvalidRequest(
                f"device {self.device!r} is not named with letters, digits, '.', '-' and '_', at most 128 of them"
            )
        return self

    @property
    def audio(self) -> str:
        return self._topic("audio")

    @property
    def events(self) -> str:
        return self._topic("events")

    @property
    def speech(self) -> str:
        return self._topic("speech")

    def _topic(self, leaf: str) -> str:
        return f"{_prefix(self.tenant)}wearable/{self.device}/{leaf}"
