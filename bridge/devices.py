"""Whose a device is, and what is known of it: a JSON file that `conch devices` writes and the bridge follows.

    {"devices": [{"tenant": "default", "device": "watch-1", "language": "en",
                  "contacts": [{"name": "Mai Nguyen", "sounds_like": [], "endpoint": "PJSIP/100"}],
                  "teams": ["cleaning crew"]}]}

None of it is ever taken from a message.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from conch.commands.contacts import Contact
from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.topics import DeviceId
from conch.flocks import awaited

ENDPOINT = re.compile(r"[A-Za-z0-9_]{1,32}/[A-Za-z0-9_.@+:/*#-]{1,127}")
"""A technology and what it rings, as Asterisk writes them; of what rings several at once nothing passes."""

PROMPT_BYTES = 1024
"""What the gateway takes of words to expect."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where a contact's telephone is."""

    contact: str
    endpoint: str

    def checked(self) -> Self:
        if not ENDPOINT.fullmatch(self.endpoint):
            raise InvalidRequest(
                f"endpoint {self.endpoint!r} of {self.contact!r} is not TECHNOLOGY/RESOURCE, as PJSIP/100"
            )
        return self


@dataclass(frozen=True, slots=True)
class Device:
    id: DeviceId
    language: str = ""
    """ISO 639-1; empty: detected in each utterance."""
    contacts: tuple[Contact, ...] = ()
    teams: tuple[str, ...] = ()
    """Whom its wearer may send for: words to expect."""
    lines: tuple[Line, ...] = ()
    """Of its contacts; one that has none cannot be called."""

    def endpoint_of(self, contact: str) -> str | None:
        return next((line.endpoint for line in self.lines if line.contact == contact), None)

    @property
    def prompt(self) -> str:
        """Names to expect, as many as there is room for."""
        prompt = ""
        for name in (*self.teams, *(contact.name for contact in self.contacts)):
            longer = f"{prompt}, {name}" if prompt else name
            if len(longer.encode()) > PROMPT_BYTES:
                break
            prompt = longer
        return prompt

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self.id),
            "language": self.language,
            "contacts": [
                {**asdict(contact), **({"endpoint": endpoint} if (endpoint := self.endpoint_of(contact.name)) else {})}
                for contact in self.contacts
            ],
            "teams": list(self.teams),
        }

    @classmethod
    def decode(cls, entry: Any) -> Self:
        try:
            contacts = tuple(Contact(one["name"], tuple(one.get("sounds_like", ()))) for one in entry["contacts"])
            name = DeviceId(entry["tenant"], entry["device"]).checked()
            lines = tuple(
                Line(one["name"], one["endpoint"]).checked() for one in entry["contacts"] if "endpoint" in one
            )
            return cls(name, entry["language"], contacts, tuple(entry["teams"]), lines)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidRequest(f"an entry of the devices file cannot be read: {error!r}") from error


class DevicesFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[DeviceId, Device]:
        """A file that is not there holds none. Raises InvalidRequest."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            entries = document["devices"]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(f"{self._path} is no devices file: {error!r}") from error
        return {device.id: device for device in map(Device.decode, entries)}

    @property
    def version(self) -> tuple[int, int]:
        """Changes with the file."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_mtime_ns, status.st_ino

    def add(self, device: Device) -> None:
        """In place of one of the same name."""
        with self._changing() as devices:
            devices[device.id] = device

    def revoke(self, name: DeviceId) -> None:
        with self._changing() as devices:
            if name not in devices:
                raise NotFound(f"tenant {name.tenant} has no device {name.device}")
            del devices[name]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[DeviceId, Device]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with awaited(self._path.with_suffix(".lock")):
            devices = self.read()
            yield devices
            draft = self._path.with_suffix(".new")
            document = {"devices": [devices[name].to_json() for name in sorted(devices)]}
            with draft.open("w", encoding="utf-8") as file:
                file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)


class Registry:
    """The file as it is now; one that is changed, and wrong, stays without effect."""

    def __init__(self, file: DevicesFile) -> None:
        self._file = file
        self._version: tuple[int, int] | None = None
        self._devices: Mapping[DeviceId, Device] = {}
        self._gone: frozenset[DeviceId] = frozenset()

    def refresh(self) -> frozenset[DeviceId]:
        """Those that went since the last call. Raises InvalidRequest, once for each wrong file."""
        self._follow()
        gone, self._gone = self._gone, frozenset()
        return gone

    def get(self, name: DeviceId) -> Device | None:
        """One that is not known may have been added a moment ago."""
        if name not in self._devices:
            with contextlib.suppress(InvalidRequest):
                self._follow()
        return self._devices.get(name)

    def _follow(self) -> None:
        version = self._file.version
        if version == self._version:
            return
        self._version = version
        before, self._devices = self._devices, self._file.read()
        self._gone = (self._gone | before.keys()) - self._devices.keys()

    def __len__(self) -> int:
        return len(self._devices)
