"""One question of ours at a time: what was asked, until when an answer counts, and what answers it.

Only what was said after the question is an answer: a "yes" that was on its way before is one to somebody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from conch.commands.contacts import Contact
from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds
from conch.contracts.voice import Scores
from conch.decision import DIAL, Action, is_heard_well, is_yes
from conch.replies import CALLED_OFF, NO_ANSWER, NO_CONTACT, reply_to
from gateway.listening.answers import Answer, Kind, answered
from gateway.listening.events import Command, Decided

MOST_ASKED = 2
"""Times that one command is asked about."""


@dataclass(frozen=True, slots=True)
class Question:
    command: Command
    utterance: int
    asked_at: float
    asked_offset: int
    """What had been received by then."""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """What may be an answer."""

    text: str
    recognition: Scores
    speech_offset: int
    """Where its speech began."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An utterance, read as an answer."""

    told: list[Decided]
    is_answer: bool
    """Else it is a command of its own."""


class Dialogue:
    def __init__(
        self,
        language: str,
        contacts: Sequence[Contact],
        answer_s: float,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> None:
        self._thresholds = thresholds
        self._language = language
        self._contacts = contacts
        self._answer_s = answer_s
        self._question: Question | None = None

    @property
    def open(self) -> bool:
        return self._question is not None

    def decided(self, utterance: int, command: Command, now: float, received_to: int) -> list[Decided]:
        """On a new command: the question before it is called off, and its own is asked where there is a doubt."""
        told = []
        if command.understood.decision == Action.CONFIRM:
            told = self.call_off("another command is asked about")
            self._question = Question(command, utterance, now, received_to)
        return [*told, self._told(utterance, command)]

    def read(self, utterance: int, heard: Heard, now: float, received_to: int) -> Reading:
        question = self._question
        if question is None or heard.speech_offset < question.asked_offset:
            return Reading([], is_answer=False)
        answer = answered(heard.text, self._language, self._names(question), self._contacts)
        if answer.kind is Kind.OTHER:
            return Reading(self.call_off("something else was said instead of an answer"), is_answer=False)
        self._question = None
        if answer.kind is Kind.NO:
            told = _ignored(utterance, question.command, "the answer was no", CALLED_OFF)
        elif not self._is_heard(heard.recognition, answer, question):
            told = self._asked_again(utterance, question, now, received_to, "the answer was not heard well")
        else:
            told = self._agreed(utterance, question, answer, now, received_to)
        return Reading([told], is_answer=True)

    def _is_heard(self, recognition: Scores, answer: Answer, question: Question) -> bool:
        if answer.kind is Kind.NAME:
            return is_heard_well(recognition, question.command.understood.intent, self._thresholds)
        return is_yes(recognition, self._thresholds)

    def time_out(self, now: float) -> list[Decided]:
        if self._question is None or now - self._question.asked_at < self._answer_s:
            return []
        return self.call_off(f"no answer within {self._answer_s:g} s", NO_ANSWER)

    def call_off(self, reason: str, reply: str = "") -> list[Decided]:
        question, self._question = self._question, None
        return [] if question is None else [_ignored(question.utterance, question.command, reason, reply)]

    def _names(self, question: Question) -> tuple[str, ...]:
        """Who may be named: those asked about, or anybody where the name was nobody's."""
        understood = question.command.understood
        if understood.intent != DIAL:
            return ()
        return understood.contacts or tuple(contact.name for contact in self._contacts)

    def _agreed(self, utterance: int, question: Question, answer: Answer, now: float, received_to: int) -> Decided:
        command = question.command
        understood = command.understood
        names = (answer.name,) if answer.kind is Kind.NAME else understood.contacts
        if understood.intent == DIAL and not names:
            return _ignored(utterance, command, "the answer was yes, and nobody is known to call", NO_CONTACT)
        if len(names) > 1:
            doubt = "the answers did not tell who of several is meant"
            return self._asked_again(utterance, question, now, received_to, doubt)
        reason = f"the answer was {answer.name if answer.kind is Kind.NAME else 'yes'}"
        done = replace(understood, decision=Action.EXECUTE, reason=reason, contacts=names)
        return self._told(utterance, replace(command, understood=done))

    def _asked_again(self, utterance: int, question: Question, now: float, received_to: int, doubt: str) -> Decided:
        if question.times >= MOST_ASKED:
            return _ignored(utterance, question.command, doubt, CALLED_OFF)
        self._question = replace(question, asked_at=now, asked_offset=received_to, times=question.times + 1)
        return self._told(utterance, question.command)

    def _told(self, utterance: int, command: Command) -> Decided:
        understood = command.understood
        reply = reply_to(understood, contacts_known=bool(self._contacts))
        return Decided(utterance, command, understood.decision, understood.reason, reply)


def _ignored(utterance: int, command: Command, reason: str, reply: str) -> Decided:
    return Decided(utterance, command, Action.IGNORE, reason, reply)
