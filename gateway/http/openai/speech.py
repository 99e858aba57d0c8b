"""POST /v1/audio/speech: each sentence leaves as soon as it is spoken and encoded."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request, Response

from conch.contracts.errors import InvalidRequest
from gateway.calls import Call
from gateway.encoding import FORMATS, encoder_of
from gateway.http.answering import answering, while_connected
from gateway.http.bodies import json_body
from gateway.http.openai import documents, events
from gateway.http.openai.blame import blaming
from gateway.http.openai.names import check_model, check_voice
from gateway.http.openai.shapes import SpeechBody
from gateway.http.parts import InParts, Outgoing
from gateway.limits import Limits
from gateway.reception import Reception
from gateway.use_cases import UseCases

Wrap = Callable[[bytes], bytes]


def speech_routes(reception: Reception, limits: Limits, use_cases: UseCases, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.post("/v1/audio/speech", **documents.SPEECH)
    async def create_speech(request: Request) -> Response:
        """Speech of a text, sentence by sentence."""

        async def answer(outgoing: Outgoing) -> None:
            async with answering(reception, "Speak", request, documents.FACE) as call:
                body = await json_body(request, SpeechBody, limits.speak_bytes, body_within_s)
                check_model(body.model, "piper", "speaks")
                check_voice(_voice_of(body))
                speak = _speak_events if body.stream_format == "sse" else _speak
                with blaming("input"):
                    await while_connected(request, speak(use_cases, body, call, outgoing))

        return InParts(answer)

    return router


async def _speak(use_cases: UseCases, body: SpeechBody, call: Call, outgoing: Outgoing) -> None:
    outgoing.media_type = FORMATS[_format_of(body)].media_type
    await _send(use_cases, body, call, outgoing, bytes)


async def _speak_events(use_cases: UseCases, body: SpeechBody, call: Call, outgoing: Outgoing) -> None:
    outgoing.media_type = events.MEDIA_TYPE
    outgoing.says_errors(events.error_event)
    await _send(use_cases, body, call, outgoing, _delta)
    await outgoing.part(events.event({"type": "speech.audio.done"}))


async def _send(use_cases: UseCases, body: SpeechBody, call: Call, outgoing: Outgoing, wrap: Wrap) -> None:
    encoder = encoder_of(_format_of(body))
    length_scale = None if body.speed in (None, 1.0) else 1 / body.speed
    sentences: Any = use_cases.speaking.speak(body.input, length_scale, call)
    async with aclosing(sentences):
        async for sentence in sentences:
            data = await asyncio.to_thread(encoder.write, sentence.pcm16, sentence.sample_rate)
            if data:
                await outgoing.part(wrap(data))
    if data := await asyncio.to_thread(encoder.finish):
        await outgoing.part(wrap(data))


def _delta(data: bytes) -> bytes:
    return events.event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})


def _format_of(body: SpeechBody) -> str:
    return body.response_format or "mp3"


def _voice_of(body: SpeechBody) -> str:
    voice = body.voice.get("id") if isinstance(body.voice, dict) else body.voice
    if not isinstance(voice, str):
        raise InvalidRequest("voice: a name is needed, or an object with an id").about("voice")
    return voice
