"""What a session tells its caller. Offsets are the caller's own: samples of one channel, at the declared rate."""

from dataclasses import dataclass

from conch.contracts.voice import Understood
from gateway.listening.endpointing import Ending
from gateway.recognition import Recognition


@dataclass(frozen=True, slots=True)
class Started:
    session: str


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    utterance: int
    start_offset: int


@dataclass(frozen=True, slots=True)
class PartialText:
    utterance: int
    text: str
    stable_characters: int


@dataclass(frozen=True, slots=True)
class FinalText:
    utterance: int
    start_offset: int
    end_offset: int
    recognition: Recognition
    ending: Ending


@dataclass(frozen=True, slots=True)
class Intent:
    utterance: int
    understood: Understood


@dataclass(frozen=True, slots=True)
class Command:
    """What an utterance asked for."""

    command_id: str
    start_offset: int
    end_offset: int
    understood: Understood


@dataclass(frozen=True, slots=True)
class Decided:
    utterance: int
    """That decided; of an answer not the command's own."""
    command: Command
    action: str
    reason: str
    reply: str
    """What to say back; empty where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class Ack:
    received_to: int
    decided_to: int


@dataclass(frozen=True, slots=True)
class Gap:
    start_offset: int
    end_offset: int


@dataclass(frozen=True, slots=True)
class Failed:
    utterance: int
    """-1 where it is of none."""
    code: str
    """The name of gRPC's status code."""
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    reason: str
    received_to: int
    decided_to: int


Event = Started | SpeechStarted | PartialText | FinalText | Intent | Decided | Ack | Gap | Failed | Ended
