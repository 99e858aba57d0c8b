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
class Span:
    """Samples of a session: the first, and the first after them."""

    first: int
    after: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What the gate decided, for whoever acts on it; the device is told by a Told."""

    decision: str
    """execute, confirm, forward or ignore."""
    command_id: str
    utterance: int
    """Whose end decided; where it answers a question, not the command's own."""
    samples: Span
    """The command's own."""
    intent: str = ""
    text: str = ""
    contacts: tuple[str, ...] = ()
    team: str = ""
    place: str = ""
    reply: str = ""
    answer: Span | None = None
    """Samples of `utterance`, where they are known."""


@dataclass(frozen=True, slots=True)
class Reply:
    """To be spoken to the wearer."""

    text: str
    command_id: str


Event = Told | Acknowledged | Decided


def lost(loss: Loss) -> Told:
    return Told("gap" if isinstance(loss, Missing) else "dropped", asdict(loss))


def refused(error: Refused) -> Told:
    return Told("refused", {"reason": error.reason.value, "message": error.message})


def failed(error: ConchError) -> Told:
    return Told("error", {"utterance": -1, "code": refusal_of(error).grpc, "message": error.message})


def speech(first: Speech) -> Told:
    return Told("speech", {"command_id": first.command_id, "rate": first.rate, "encoding": Encoding.PCM16.value})


def action(command_id: str, kind: str, state: str, reason: str, reply: str) -> Told:
    """`reply` is what the wearer hears of it."""
    fields = {"command_id": command_id, "action": kind, "state": state, "reason": reason, "reply": reply}
    return Told("action", fields)


def account(balance: Balance) -> Told:
    return Told("account", asdict(balance))
