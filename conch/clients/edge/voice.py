"""Operations of conch.voice.v1.Voice: requests built, replies read."""

from collections.abc import Sequence

from conch.clients.edge.operations import Operation, built
from conch.commands.contacts import Contact
from conch.contracts.errors import Internal
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.voice import (
    AudioInfo,
    Progress,
    Scores,
    Segment,
    SpokenSentence,
    Stage,
    TranscriptEvent,
    TranscriptSummary,
    Understood,
    Word,
)

_SERVICE = pb.DESCRIPTOR.services_by_name["Voice"].full_name


def transcribe(audio: bytes, language: str, prompt: str, with_words: bool) -> Operation[TranscriptEvent]:
    request = built(
        lambda: pb.TranscribeRequest(audio=audio, language=language, prompt=prompt, with_words=with_words),
    )
    return Operation(f"/{_SERVICE}/Transcribe", request, pb.TranscribeReply, _event, timeout_s=7200.0)


def understand(text: str, contacts: Sequence[Contact]) -> Operation[Understood]:
    request = built(lambda: pb.UnderstandRequest(text=text, contacts=map(_contact, contacts)))
    return _understanding(request, timeout_s=30.0)


def understand_audio(audio: bytes, language: str, prompt: str, contacts: Sequence[Contact]) -> Operation[Understood]:
    request = built(
        lambda: pb.UnderstandRequest(audio=audio, language=language, prompt=prompt, contacts=map(_contact, contacts))
    )
    return _understanding(request, timeout_s=60.0)


def speak(text: str, length_scale: float | None) -> Operation[SpokenSentence]:
    request = built(lambda: pb.SpeakRequest(text=text, length_scale=length_scale))
    return Operation(f"/{_SERVICE}/Speak", request, pb.SpeakReply, _spoken, timeout_s=600.0)


def _understanding(request: pb.UnderstandRequest, timeout_s: float) -> Operation[Understood]:
    return Operation(f"/{_SERVICE}/Understand", request, pb.UnderstandReply, _understood, timeout_s)


def _contact(contact: Contact) -> pb.Contact:
    return pb.Contact(name=contact.name, sounds_like=contact.sounds_like)


def _event(reply: pb.TranscribeReply, _: str) -> TranscriptEvent:
    kind = reply.WhichOneof("event")
    if kind == "audio":
        return AudioInfo(reply.audio.duration_s, reply.audio.sample_rate, reply.audio.channels)
    if kind == "segment":
        return _segment(reply.segment)
    if kind == "progress":
        return Progress(reply.progress.done_s, reply.progress.duration_s)
    if kind == "summary":
        return TranscriptSummary(reply.summary.text, reply.summary.language, reply.summary.duration_s)
    raise Internal("the gateway sent an event that this client does not know")


def _segment(segment: pb.Segment) -> Segment:
    words = tuple(Word(word.text, word.start_s, word.end_s, word.probability) for word in segment.words)
    return Segment(segment.start_s, segment.end_s, segment.text, segment.language, _scores(segment.scores), words)


def _scores(scores: pb.Scores) -> Scores:
    return Scores(
        avg_logprob=scores.avg_logprob,
        no_speech_prob=scores.no_speech_prob,
        compression_ratio=scores.compression_ratio,
        speech_s=scores.speech_s,
        language_probability=scores.language_probability,
    )


def _understood(reply: pb.UnderstandReply, request_id: str) -> Understood:
    return Understood(
        text=reply.text,
        language=reply.language,
        intent=reply.intent,
        confidence=reply.confidence,
        scores={score.intent: score.probability for score in reply.scores},
        decision=pb.Decision.Name(reply.decision).removeprefix("DECISION_").lower(),
        reason=reply.reason,
        contacts=tuple(reply.contacts),
        team=reply.team,
        place=reply.place,
        recognition=_scores(reply.recognition) if reply.HasField("recognition") else None,
        stages=tuple(Stage(stage.name, stage.ms) for stage in reply.stages),
        request_id=request_id,
    )


def _spoken(reply: pb.SpeakReply, _: str) -> SpokenSentence:
    return SpokenSentence(reply.pcm16, reply.sample_rate)
