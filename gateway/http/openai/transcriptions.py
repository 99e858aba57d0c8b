"""POST /v1/audio/transcriptions, and why there is no /v1/audio/translations."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request, Response

from conch.contracts.errors import NotFound
from conch.contracts.voice import Segment, TranscriptSummary
from gateway.calls import Call
from gateway.http.answering import answering, while_connected
from gateway.http.bodies import Upload, form_upload
from gateway.http.openai import documents, events
from gateway.http.openai.blame import blaming
from gateway.http.openai.names import check_model
from gateway.http.openai.transcripts import Transcript, seconds_of
from gateway.http.openai.wishes import Wishes
from gateway.http.parts import InParts, Outgoing
from gateway.limits import Limits
from gateway.reception import Reception
from gateway.use_cases import UseCases

MOST_FIELDS = 64
"""Of a form: lists come as a field an entry."""


class Unsupported(NotFound):
    code = "unsupported"


def transcription_routes(reception: Reception, limits: Limits, use_cases: UseCases, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.post("/v1/audio/transcriptions", **documents.TRANSCRIPTIONS)
    async def create_transcription(request: Request) -> Response:
        """Text of recorded audio; with `stream`, segment by segment as each is ready."""

        async def answer(outgoing: Outgoing) -> None:
            async with (
                answering(reception, "Transcribe", request, documents.FACE) as call,
                form_upload(request, limits, body_within_s, MOST_FIELDS) as file,
            ):
                wishes = Wishes.of(file)
                with blaming("file"):
                    await while_connected(request, _answer(use_cases, file, wishes, call, outgoing))

        return InParts(answer)

    @router.post("/v1/audio/translations", **documents.TRANSLATIONS)
    async def create_translation(request: Request) -> Response:
        """Not found: speech is written in the language that is spoken."""
        async with (
            answering(reception, "Transcribe", request, documents.FACE),
            form_upload(request, limits, body_within_s, MOST_FIELDS) as file,
        ):
            check_model(file.fields.get("model", "whisper"), "whisper", "transcribes")
            raise Unsupported("nothing here translates speech: /v1/audio/transcriptions writes it as it is spoken")

    return router


async def _answer(use_cases: UseCases, file: Upload, wishes: Wishes, call: Call, outgoing: Outgoing) -> None:
    if wishes.stream:
        await _stream(use_cases, file, wishes, call, outgoing)
    else:
        transcript = await _transcribed(use_cases, file, wishes, call)
        await outgoing.whole(transcript.response(wishes))


async def _stream(use_cases: UseCases, file: Upload, wishes: Wishes, call: Call, outgoing: Outgoing) -> None:
    outgoing.media_type = events.MEDIA_TYPE
    outgoing.says_errors(events.error_event)
    before = ""
    async with aclosing(_told(use_cases, file, wishes, call)) as told:
        async for event in told:
            if isinstance(event, Segment):
                delta = {"type": "transcript.text.delta", "delta": before + event.text}
                await outgoing.part(events.event(delta))
                before = " "
            elif isinstance(event, TranscriptSummary):
                usage = {"type": "duration", "seconds": seconds_of(event)}
                await outgoing.part(events.event({"type": "transcript.text.done", "text": event.text, "usage": usage}))


async def _transcribed(use_cases: UseCases, file: Upload, wishes: Wishes, call: Call) -> Transcript:
    segments: list[Segment] = []
    summary = TranscriptSummary("", "", 0.0)
    async with aclosing(_told(use_cases, file, wishes, call)) as told:
        async for event in told:
            if isinstance(event, Segment):
                segments.append(event)
            elif isinstance(event, TranscriptSummary):
                summary = event
    return Transcript(segments, summary)


def _told(use_cases: UseCases, file: Upload, wishes: Wishes, call: Call) -> Any:
    told: AsyncIterator[Any] = use_cases.transcription.transcribe(file.source, wishes.expectation, call, file.raw)
    return told
