"""POST /transcribe, /understand and /speak: convert, call, convert."""

import asyncio
import struct
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from typing import IO, Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from conch.contracts.errors import InvalidRequest, TooMuch
from conch.contracts.voice import Segment, TranscriptSummary, Understood
from gateway.calls import Call
from gateway.http.answering import answering, while_connected
from gateway.http.bodies import Upload, audio_upload, is_json, json_body
from gateway.http.refusals import PROBLEMS, Unfinished
from gateway.http.shapes import CommandBody, SpeechBody, TranscriptShape, UnderstoodShape
from gateway.limits import Limits
from gateway.reception import Reception
from gateway.recognition import Expectation
from gateway.use_cases import UseCases

MEMORY_BYTES = 8 * 2**20
"""Speech above this size is held on disk until it is complete."""

WAV_HEADER_BYTES = 44

_FILE = {"type": "string", "format": "binary"}
_EXPECTATION = {"language": {"type": "string"}, "prompt": {"type": "string"}}
_FORM = {"type": "object", "required": ["file"], "properties": {"file": _FILE, **_EXPECTATION}}
_WORDS = {"words": {"type": "boolean", "description": "Word times cost one more pass of the decoder."}}
_AUDIO = {"description": "WAV, FLAC, Ogg (Vorbis, Opus) or MP3; or audio/L16 with a rate.", "schema": _FILE}

TRANSCRIBE_DOCS = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {**_FORM, "properties": {**_FORM["properties"], **_WORDS}}},  # type: ignore[dict-item]
            "audio/*": _AUDIO,
        },
    }
}
UNDERSTAND_DOCS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": CommandBody.model_json_schema()},
            "multipart/form-data": {"schema": _FORM},
            "audio/*": _AUDIO,
        },
    }
}
SPEAK_DOCS = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": SpeechBody.model_json_schema()}}}
}


def voice_routes(reception: Reception, limits: Limits, use_cases: UseCases, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["voice"], responses=PROBLEMS)

    @router.post("/transcribe", openapi_extra=TRANSCRIBE_DOCS, responses={200: {"model": TranscriptShape}})
    async def transcribe(request: Request) -> Response:
        """Text of recorded audio, of any length up to the limit. The answer comes when all of it is ready."""
        async with (
            answering(reception, "Transcribe", request) as call,
            audio_upload(request, limits, body_within_s) as file,
        ):
            transcript = await while_connected(request, _transcribed(use_cases, file, call))
            return JSONResponse(transcript.model_dump())

    @router.post("/understand", openapi_extra=UNDERSTAND_DOCS, responses={200: {"model": UnderstoodShape}})
    async def understand(request: Request) -> Response:
        """What a command asks for, written (JSON) or spoken (a file of at most 30 s), and whether to act on it."""
        async with answering(reception, "Understand", request) as call:
            understood = await _understood(request, call)
            return JSONResponse(UnderstoodShape.of(understood).model_dump())

    async def _understood(request: Request, call: Call) -> Understood:
        if is_json(request):
            body = await json_body(request, CommandBody, limits.understand_bytes, body_within_s)
            contacts = [contact.to_contact() for contact in body.contacts]
            return await while_connected(request, use_cases.understanding.of_text(body.text, call, contacts))
        async with audio_upload(request, limits, body_within_s) as file:
            work = use_cases.understanding.of_audio(file.source, _expectation(file), call, file.raw)
            return await while_connected(request, work)

    @router.post("/speak", openapi_extra=SPEAK_DOCS, responses={200: {"content": {"audio/wav": {"schema": _FILE}}}})
    async def speak(request: Request) -> Response:
        """Speech of a text, as one WAV file."""
        async with answering(reception, "Speak", request) as call:
            body = await json_body(request, SpeechBody, limits.speak_bytes, body_within_s)
            file, size = await while_connected(request, _spoken(use_cases, body, call))
            return StreamingResponse(_chunks(file), media_type="audio/wav", headers={"content-length": str(size)})

    return router


async def _transcribed(use_cases: UseCases, file: Upload, call: Call) -> TranscriptShape:
    segments: list[Segment] = []
    summary = TranscriptSummary("", "", 0.0)
    events: Any = use_cases.transcription.transcribe(file.source, _expectation(file), call, file.raw)
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Segment):
                    segments.append(event)
                elif isinstance(event, TranscriptSummary):
                    summary = event
    except TooMuch as error:
        if not segments:
            raise
        raise Unfinished(error, {"segments": TranscriptShape.of(summary, segments).model_dump()["segments"]}) from None
    return TranscriptShape.of(summary, segments)


async def _spoken(use_cases: UseCases, body: SpeechBody, call: Call) -> tuple[IO[bytes], int]:
    """The whole file and its size: its header tells its length, and after its first byte no error could be told."""
    sentences: Any = use_cases.speaking.speak(body.text, body.length_scale, call)
    spool = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - closed when it has been sent
    try:
        rate = 0
        spool.write(_wav_header(rate, 0))
        async with aclosing(sentences):
            async for sentence in sentences:
                rate = sentence.sample_rate
                await asyncio.to_thread(spool.write, sentence.pcm16)
        size = spool.tell()
        spool.seek(0)
        spool.write(_wav_header(rate, size - WAV_HEADER_BYTES))
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool, size


def _wav_header(rate: int, pcm_bytes: int) -> bytes:
    """Of 16-bit mono PCM."""
    riff = struct.pack("<4sI4s", b"RIFF", WAV_HEADER_BYTES - 8 + pcm_bytes, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", pcm_bytes)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(2**16):
            yield chunk


def _expectation(file: Upload) -> Expectation:
    words = file.fields.get("words", "false").lower()
    if words not in ("true", "false", "1", "0"):
        raise InvalidRequest(f"words is {words!r}, true or false is needed")
    return Expectation(file.fields.get("language", ""), file.fields.get("prompt", ""), words in ("true", "1"))
