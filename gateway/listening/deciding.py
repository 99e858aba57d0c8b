"""From an utterance to what is done about it: final, intent and decision, in this order.

The whole utterance is decoded again, whatever partials said of it, so that no word is lost at its edges.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from conch.contracts.errors import Cancelled, ConchError, DeadlineExceeded, PermissionDenied, Unavailable
from conch.contracts.refusals import refusal_of
from gateway.audio import Samples
from gateway.calls import Call
from gateway.listening.dialogue import Dialogue, Heard
from gateway.listening.events import Command, Decided, Event, Failed, FinalText, Intent
from gateway.listening.foresight import Foreseen
from gateway.listening.opening import Opening
from gateway.listening.track import Utterance
from gateway.patience import persistently
from gateway.recognition import Recogniser, Recognition
from gateway.understanding import CommandUnderstanding

UNDECIDED = (Unavailable, DeadlineExceeded, PermissionDenied, Cancelled)
"""These say nothing of the utterance: the session ends, and its audio is sent again. Others are of the utterance alone,
and would come again with it."""


@dataclass(frozen=True, slots=True)
class Numbered:
    number: int
    utterance: Utterance
    ended_at: float
    """By the session's clock."""
    foreseen: Foreseen | None = None


class Deciding:
    def __init__(
        self,
        opening: Opening,
        recogniser: Recogniser,
        understanding: CommandUnderstanding,
        dialogue: Dialogue,
        clock: Callable[[], float],
        received_to: Callable[[], int],
    ) -> None:
        self._opening = opening
        self._recogniser = recogniser
        self._understanding = understanding
        self._dialogue = dialogue
        self._clock = clock
        self._received_to = received_to

    async def events(self, one: Numbered, call: Call) -> AsyncIterator[Event]:
        """Raises what is of the session rather than of the utterance."""
        try:
            recognition = await self._recognised(one, call)
            yield FinalText(
                one.number,
                one.utterance.start_offset,
                one.utterance.end_offset,
                recognition,
                one.utterance.ending,
            )
            if recognition.text:
                for event in await self._decided(one, recognition, call):
                    yield event
        except UNDECIDED:
            raise
        except ConchError as error:
            yield Failed(one.number, refusal_of(error).grpc, error.message)

    async def recognise(self, pcm: Samples, call: Call) -> Recognition:
        """As a final is; of an utterance that is over, or seems to be."""
        expectation = replace(self._opening.expectation, with_words=True)
        return await persistently(lambda: self._recogniser.recognise(pcm, expectation, call.asked_by_somebody()), call)

    async def _recognised(self, one: Numbered, call: Call) -> Recognition:
        foreseen = None if one.foreseen is None else await one.foreseen
        recognition = foreseen or await self.recognise(one.utterance.pcm, call)
        if any(letter.isalnum() for letter in recognition.text):
            return recognition
        # Marks alone, as "..." or a note, are what a recogniser writes where nobody speaks.
        return replace(recognition, text="", words=(), rejected=recognition.rejected or "no_speech")

    async def _decided(self, one: Numbered, recognition: Recognition, call: Call) -> Sequence[Event]:
        number, utterance = one.number, one.utterance
        heard = Heard(recognition.text, recognition.scores, utterance.speech_offset)
        reading = self._dialogue.read(number, heard, self._clock(), self._received_to())
        if reading.is_answer:
            return reading.told
        contacts = self._opening.contacts
        ask = partial(self._understanding.of_text, recognition.text, call, contacts, recognition.scores)
        understood = await persistently(ask, call)
        start = utterance.start_offset
        command = Command(self._opening.command_id(start), start, utterance.end_offset, understood)
        decided: list[Decided] = self._dialogue.decided(number, command, self._clock(), self._received_to())
        return [*reading.told, Intent(number, understood), *decided]
