"""What a device is told, and what the gateway tells the bridge alone. docs/bridge.md has the JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bridge.accounts import Balance, Missing
from bridge.backlog import Loss
from bridge.chunk import Encoding, Refused
from bridge.speech import Speech
from conch.contracts.errors import ConchError
from conch.contracts.refusals import refusal_of


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a session, as it is published."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, session: str) -> bytes:
        document = {"event": self.name, **self.fields, "session": session}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    decided_to: int


@dataclass(frozen=True, slots=True)
class Reply:
    """To be spoken to the wearer."""

    text: str
    command_id: str


Event = Told | Acknowledged | Reply


def lost(loss: Loss) -> Told:
    return Told("gap" if isinstance(loss, Missing) else "dropped", asdict(loss))


def refused(error: Refused) -> Told:
    return Told("refused", {"reason": error.reason.value, "message": error.message})


def failed(error: ConchError) -> Told:
    return Told("error", {"utterance": -1, "code": refusal_of(error).grpc, "message": error.message})


def speech(first: Speech) -> Told:
    return Told("speech", {"command_id": first.command_id, "rate": first.rate, "encoding": Encoding.PCM16.value})


def account(balance: Balance) -> Told:
    return Told("account", asdict(balance))
