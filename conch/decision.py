"""The gate: execute, confirm, forward or ignore what was understood.

Acting on noise or on a misheard word is the worst thing we can do, so every doubt ends one step lower. Three things
decide together: how well it was heard, how sure the intent is, and what acting costs. A sure intent says nothing of the
words that it was read from.
"""

from dataclasses import dataclass
from enum import StrEnum

from conch.commands.contacts import Callee, Certainty
from conch.commands.denial import Denial, denial
from conch.contracts.specs import INTENTS
from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds
from conch.contracts.voice import Scores

MOST_NO_SPEECH_PROB = 0.6
MOST_COMPRESSION = 2.4
"""Whisper's own bounds, beyond which a text is an invention or a loop; its server looks too, another's may not."""

MOST_LETTERS_PER_S = 40.0
"""Of speech: nobody speaks twice as fast as a fast speaker."""


class Action(StrEnum):
    EXECUTE = "execute"
    CONFIRM = "confirm"
    FORWARD = "forward"
    IGNORE = "ignore"


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
    recognition: Scores | None = None
    """Of what was spoken; None for text that was written."""


@dataclass(frozen=True, slots=True)
class Decision:
    action: Action
    reason: str


def decide(understood: Understanding, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Decision:
    """The first rule that fits decides; a confidence that is no probability reaches no threshold."""
    if not understood.text.strip():
        return Decision(Action.IGNORE, "no speech")
    if unheard := _unheard(understood, thresholds):
        return Decision(Action.IGNORE, unheard)
    if understood.intent in ASSISTANT_INTENTS:
        return Decision(Action.FORWARD, f"{understood.intent} is for the assistant")
    if understood.intent not in COMMAND_INTENTS:
        return Decision(Action.FORWARD, f"{understood.intent or 'no intent'} is no command of ours")
    if not 0 <= understood.confidence <= 1:
        return Decision(Action.FORWARD, f"confidence {understood.confidence} is no probability")
    if understood.confidence < thresholds.confirm:
        return Decision(Action.FORWARD, f"confidence {understood.confidence:.3f} is below {thresholds.confirm}")
    return _command(understood, thresholds)


def is_heard_well(recognition: Scores, intent: str, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> bool:
    """Well enough for what a command of this intent costs."""
    return not _misheard(recognition, _least(intent, thresholds), thresholds)


def is_yes(recognition: Scores, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> bool:
    """Whether what reads as a yes was heard well enough to act on it."""
    return not _misheard(recognition, thresholds.yes_logprob, thresholds)


def _command(understood: Understanding, thresholds: Thresholds) -> Decision:
    """Of a command that the intent is sure enough of to be asked about at least."""
    denied = denial(understood.text)
    if denied is Denial.COMMAND:
        return Decision(Action.IGNORE, "the command is denied in the same breath")
    doubts = (
        _doubtful_denial(understood.intent, denied),
        _misheard(understood.recognition, _least(understood.intent, thresholds), thresholds),
        _nobody_sure(understood),
    )
    if doubt := next(filter(None, doubts), ""):
        return Decision(Action.CONFIRM, doubt)
    if understood.confidence < thresholds.execute:
        return Decision(
            Action.CONFIRM,
            f"confidence {understood.confidence:.3f} is between {thresholds.confirm} and {thresholds.execute}",
        )
    return Decision(Action.EXECUTE, f"confidence {understood.confidence:.3f} reaches {thresholds.execute}")


def _unheard(understood: Understanding, thresholds: Thresholds) -> str:
    """Why nobody said this, as far as the recogniser knows; empty where somebody did, or it was written."""
    recognition = understood.recognition
    if recognition is None:
        return ""
    letters = sum(letter.isalnum() for letter in understood.text)
    # Each is false of NaN.
    if not recognition.avg_logprob >= thresholds.heard_logprob:
        return f"log-probability {recognition.avg_logprob:.2f} is below {thresholds.heard_logprob:g}"
    if not recognition.no_speech_prob <= MOST_NO_SPEECH_PROB:
        return f"probability {recognition.no_speech_prob:.2f} that nobody spoke is above {MOST_NO_SPEECH_PROB:g}"
    if not recognition.compression_ratio <= MOST_COMPRESSION:
        return f"compression ratio {recognition.compression_ratio:.2f} is above {MOST_COMPRESSION:g}: a loop"
    if not letters <= MOST_LETTERS_PER_S * recognition.speech_s:
        return f"{letters} letters are too many for {recognition.speech_s:.2f} s of speech"
    return ""


def _least(intent: str, thresholds: Thresholds) -> float:
    """Log-probability by what acting costs."""
    return thresholds.dial_logprob if intent == DIAL else thresholds.summon_logprob


def _misheard(recognition: Scores | None, least: float, thresholds: Thresholds) -> str:
    """Why the words may be others; empty where they are not doubted, or were written."""
    if recognition is None:
        return ""
    if not recognition.avg_logprob >= least:
        return f"log-probability {recognition.avg_logprob:.2f} is below {least:g}"
    if not recognition.no_speech_prob <= thresholds.most_no_speech:
        return f"probability {recognition.no_speech_prob:.2f} that nobody spoke is above {thresholds.most_no_speech:g}"
    return ""


def _doubtful_denial(intent: str, denied: Denial) -> str:
    if denied is Denial.NEAR:
        return "something is denied beside the command"
    # Help comes at once for "the belt does not move, send the mechanics"; a call waits for a yes.
    return "something is denied before the command" if denied is Denial.BEFORE and intent == DIAL else ""


def _nobody_sure(understood: Understanding) -> str:
    """Why nobody is dialled without asking back; empty where somebody is surely meant, or nobody is to be dialled."""
    callee = understood.callee
    if understood.intent != DIAL or callee is None or callee.certainty is Certainty.SURE:
        return ""
    if callee.certainty is Certainty.NONE:
        return "no contact sounds like the name"
    return f"{callee.heard!r} sounds like {' or '.join(callee.names)}"
