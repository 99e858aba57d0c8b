"""Voice.Listen's messages as sessions know them, and a session's events as messages."""

from collections.abc import AsyncIterator
from typing import Any

from conch.commands.contacts import Contact
from conch.contracts.errors import InvalidRequest
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from gateway.listening.events import (
    Ack,
    Decided,
    Ended,
    Event,
    Failed,
    FinalText,
    Gap,
    Intent,
    PartialText,
    SpeechStarted,
    Started,
)
from gateway.listening.formats import Encoding, Format
from gateway.listening.opening import Opening
from gateway.listening.receiving import Chunk, Unreadable
from gateway.rpc.malformed import Malformed
from gateway.rpc.scores import to_scores, to_word

_ENCODINGS = {
    pb.AUDIO_ENCODING_UNSPECIFIED: Encoding.PCM16,
    pb.AUDIO_ENCODING_PCM16: Encoding.PCM16,
    pb.AUDIO_ENCODING_MULAW: Encoding.MULAW,
    pb.AUDIO_ENCODING_OPUS: Encoding.OPUS,
}


async def opening_in(requests: AsyncIterator[Any]) -> Opening:
    """The stream's first message, which opens the session."""
    request = await anext(requests, None)
    if isinstance(request, Malformed):
        raise request.error("Listen")
    if request is None or request.WhichOneof("message") != "open":
        raise InvalidRequest("the stream's first message is not open")
    given = request.open
    if given.encoding not in _ENCODINGS:
        raise InvalidRequest(f"encoding is {given.encoding}, 0 to {len(_ENCODINGS) - 1} are known").about("encoding")
    return Opening(
        device=given.device,
        tenant=given.tenant,
        session=given.session,
        format=Format(_ENCODINGS[given.encoding], given.sample_rate, given.channels or 1),
        language=given.language,
        prompt=given.prompt,
        contacts=tuple(Contact(one.name, tuple(one.sounds_like)) for one in given.contacts),
        resume_offset=given.resume_offset,
    )


async def chunks_in(requests: AsyncIterator[Any]) -> AsyncIterator[Chunk | Unreadable]:
    """The messages after it."""
    async for request in requests:
        if isinstance(request, Malformed):
            yield Unreadable(request.error("Listen"))
        elif (kind := request.WhichOneof("message")) == "audio":
            yield Chunk(request.audio.data, request.audio.offset)
        else:
            told = "a session is opened once" if kind == "open" else "the message is empty"
            yield Unreadable(InvalidRequest(f"{told}: audio is all that may follow"))


def listen_event(event: Event) -> pb.ListenEvent:
    match event:
        case Started():
            return pb.ListenEvent(started=pb.ListenStarted(session=event.session))
        case SpeechStarted():
            return pb.ListenEvent(
                speech_started=pb.SpeechStarted(utterance=event.utterance, start_offset=event.start_offset)
            )
        case PartialText():
            return pb.ListenEvent(
                partial=pb.PartialText(
                    utterance=event.utterance, text=event.text, stable_characters=event.stable_characters
                )
            )
        case FinalText():
            return pb.ListenEvent(final=_final(event))
        case Intent():
            return pb.ListenEvent(intent=_intent(event))
        case Decided():
            return pb.ListenEvent(decision=_decision(event))
        case Ack():
            return pb.ListenEvent(audio_ack=pb.AudioAck(received_to=event.received_to, decided_to=event.decided_to))
        case Gap():
            return pb.ListenEvent(gap=pb.AudioGap(start_offset=event.start_offset, end_offset=event.end_offset))
        case Failed():
            error = pb.ListenError(utterance=event.utterance, code=event.code, message=event.message)
            return pb.ListenEvent(error=error)
        case Ended():
            ended = pb.ListenEnded(reason=event.reason, received_to=event.received_to, decided_to=event.decided_to)
            return pb.ListenEvent(ended=ended)


def _final(event: FinalText) -> pb.FinalText:
    recognition = event.recognition
    return pb.FinalText(
        utterance=event.utterance,
        start_offset=event.start_offset,
        end_offset=event.end_offset,
        text=recognition.text,
        no_speech="" if recognition.text else recognition.rejected or "no_speech",
        language=recognition.language,
        scores=to_scores(recognition.scores),
        words=[to_word(word) for word in recognition.words],
        end_reason=f"END_REASON_{event.ending.name}",
    )


def _intent(event: Intent) -> pb.UtteranceIntent:
    understood = event.understood
    return pb.UtteranceIntent(
        utterance=event.utterance,
        intent=understood.intent,
        confidence=understood.confidence,
        scores=[pb.IntentScore(intent=intent, probability=sure) for intent, sure in understood.scores.items()],
    )


def _decision(event: Decided) -> pb.UtteranceDecision:
    command, understood = event.command, event.command.understood
    return pb.UtteranceDecision(
        utterance=event.utterance,
        decision=f"DECISION_{event.action.upper()}",
        reason=event.reason,
        command_id=command.command_id,
        intent=understood.intent,
        text=understood.text,
        contacts=understood.contacts,
        team=understood.team,
        place=understood.place,
        reply=event.reply,
        start_offset=command.start_offset,
        end_offset=command.end_offset,
    )
