"""What a decision wants done, and for whom: what an action is given, and what the outbox keeps of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, Self

from bridge.events import Decided, Span
from bridge.wearer import Wearer
from conch.contracts.errors import ConchError
from conch.decision import DIAL, SUMMON, Action


class Kind(StrEnum):
    SUMMON = "summon"
    DIAL = "dial"
    FORWARD = "forward"
    OTHER = "other"
    """A command that this bridge knows nothing of."""


class State(StrEnum):
    """Of a command, in the outbox; of the last four one is told."""

    CLAIMED = "claimed"
    """Nobody else may act on it, and nothing has been done yet."""
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    """It was not done, and will not be."""
    UNKNOWN = "unknown"
    """Begun, and nobody knows whether it was done; it is not tried again."""
    REPEATED = "repeated"
    """Told, not kept: audio that was sent again asks for what is recorded already."""
    REFUSED = "refused"
    """Told, kept as failed: too much waits."""
    CANCELLED = "cancelled"
    """Told, not kept: a question was not answered before its session broke."""


@dataclass(frozen=True, slots=True)
class Order:
    kind: Kind
    wearer: Wearer
    command_id: str
    samples: tuple[Span, ...]
    """The command's own, and those of the answer that decided, where a question was asked."""
    at: datetime
    """When it was decided, with its zone."""
    intent: str = ""
    text: str = ""
    team: str = ""
    place: str = ""
    contact: str = ""
    """Who is called; empty where that is not one."""
    reply: str = ""
    """What the gateway has to say when it is done."""

    @property
    def subject(self) -> str:
        """Whom or what it is about, in words to say."""
        return {Kind.SUMMON: self.team, Kind.DIAL: self.contact}.get(self.kind, "")

    @classmethod
    def of(cls, decided: Decided, wearer: Wearer, at: datetime) -> Self:
        spans = {decided.samples: None, decided.answer or decided.samples: None}
        return cls(
            kind_of(decided),
            wearer,
            decided.command_id,
            tuple(spans),
            at.astimezone(UTC),
            decided.intent,
            decided.text,
            decided.team,
            decided.place,
            decided.contacts[0] if len(decided.contacts) == 1 else "",
            decided.reply,
        )


class NotDone(ConchError):
    """It was not done. The message is the reason; `reply` is what the wearer hears, empty for the usual words."""

    def __init__(self, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply


class Unsure(ConchError):
    """It was begun, and may have been done."""


class Acting(Protocol):
    """One way to act."""

    deadline_s: float
    """From the decision, with what the order waited."""

    def check(self, order: Order) -> None:
        """At once; raises NotDone for what cannot be done here, whoever tries."""

    async def act(self, order: Order, within_s: float) -> str:
        """What to say then; empty for nothing. Raises NotDone or Unsure; later than `within_s` it is cancelled."""


class Unset:
    """In place of an action that a site does not have."""

    deadline_s = 1.0

    def __init__(self, reason: str, reply: str = "") -> None:
        self._refusal = reason, reply

    def check(self, order: Order) -> None:
        raise NotDone(*self._refusal)

    async def act(self, order: Order, within_s: float) -> str:
        raise NotDone(*self._refusal)


def kind_of(decided: Decided) -> Kind:
    if decided.decision == Action.FORWARD:
        return Kind.FORWARD
    return {SUMMON: Kind.SUMMON, DIAL: Kind.DIAL}.get(decided.intent, Kind.OTHER)


def intent_of(kind: Kind) -> str:
    """Empty where it has none of its own."""
    return {Kind.SUMMON: SUMMON, Kind.DIAL: DIAL}.get(kind, "")
