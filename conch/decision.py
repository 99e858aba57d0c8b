"""The gate: execute, confirm, forward or ignore what was understood.

Acting on noise or on a misheard word is the worst thing we can do, so every doubt ends one step lower.
"""

from dataclasses import dataclass
from enum import StrEnum

from conch.commands.contacts import Callee, Certainty
from conch.contracts.specs import INTENTS


class Action(StrEnum):
    EXECUTE = "execute"
    CONFIRM = "confirm"
    FORWARD = "forward"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Both bounds are inclusive: a confidence equal to one has reached it."""

    execute: float = 0.85
    """Calibrated intent confidence from which a command is acted on."""
    confirm: float = 0.80
    """From here to `execute` we ask back; below, the text goes to the assistant."""


DEFAULT_THRESHOLDS = Thresholds()

ASSISTANT_INTENTS = frozenset({"GENERAL_QUERY"})
"""Intents that are nobody's command: they are forwarded, however sure we are."""

SUMMON = "SUMMON_TEAM"

DIAL = "DIAL_PERSON"
"""The command that costs most when it is wrong: somebody's telephone rings."""

COMMAND_INTENTS = frozenset(INTENTS) - ASSISTANT_INTENTS
"""What may be acted on; an intent that we do not know is forwarded too."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """What the models made of an utterance."""

    text: str
    intent: str
    confidence: float
    callee: Callee | None = None
    """Of DIAL_PERSON: whom it means; None where no contacts are known."""


@dataclass(frozen=True, slots=True)
class Decision:
    action: Action
    reason: str


def decide(understood: Understanding, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Decision:
    """The first rule that fits decides; a confidence that is no probability reaches no threshold."""
    if not understood.text.strip():
        return Decision(Action.IGNORE, "no speech")
    if understood.intent in ASSISTANT_INTENTS:
        return Decision(Action.FORWARD, f"{understood.intent} is for the assistant")
    if understood.intent not in COMMAND_INTENTS:
        return Decision(Action.FORWARD, f"{understood.intent or 'no intent'} is no command of ours")
    if not 0 <= understood.confidence <= 1:
        return Decision(Action.FORWARD, f"confidence {understood.confidence} is no probability")
    if understood.confidence >= thresholds.confirm and (doubt := _doubt(understood)):
        return Decision(Action.CONFIRM, doubt)
    if understood.confidence >= thresholds.execute:
        return Decision(Action.EXECUTE, f"confidence {understood.confidence:.3f} reaches {thresholds.execute}")
    if understood.confidence >= thresholds.confirm:
        return Decision(
            Action.CONFIRM,
            f"confidence {understood.confidence:.3f} is between {thresholds.confirm} and {thresholds.execute}",
        )
    return Decision(Action.FORWARD, f"confidence {understood.confidence:.3f} is below {thresholds.confirm}")


def _doubt(understood: Understanding) -> str:
    """Why nobody is dialled without asking back; empty where somebody is surely meant, or nobody is to be dialled."""
    callee = understood.callee
    if understood.intent != DIAL or callee is None or callee.certainty is Certainty.SURE:
        return ""
    if callee.certainty is Certainty.NONE:
        return "no contact sounds like the name"
    return f"{callee.heard!r} sounds like {' or '.join(callee.names)}"
