"""What the description of the API says of OpenAI's calls: bodies with examples that work, answers, refusals."""

from typing import Any

from fastapi import Response

from conch.contracts.refusals import TABLE, TOO_MUCH_FOR_NOW
from gateway.encoding import FORMATS
from gateway.http.openai.events import MEDIA_TYPE as EVENTS
from gateway.http.openai.names import names_of
from gateway.http.openai.shapes import (
    Asked,
    EmbeddingsBody,
    EmbeddingsShape,
    ModelShape,
    ModelsShape,
    RefusalShape,
    RerankBody,
    SpeechBody,
    TranscriptionShape,
    VerboseShape,
)
from gateway.http.openai.wishes import FORMATS as TRANSCRIPT_FORMATS
from gateway.http.openai.wishes import GRANULARITIES

FACE = "openai"
"""Of these calls, in metrics and logs."""

_FILE = {"type": "string", "format": "binary"}
_TEXT = {"schema": {"type": "string"}}
_EVENTS = {"example": 'data: {"type":"transcript.text.delta","delta":"Call John."}\n\n'}

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file", "model"],
    "properties": {
        "file": {**_FILE, "description": "WAV, FLAC, Ogg (Vorbis, Opus) or MP3."},
        "model": {"type": "string", "enum": names_of("whisper")},
        "language": {"type": "string", "description": "ISO 639-1; detected where it is not given."},
        "prompt": {"type": "string", "description": "Words to expect: names, places, jargon."},
        "response_format": {"type": "string", "enum": list(TRANSCRIPT_FORMATS), "default": "json"},
        "stream": {"type": "boolean", "default": False, "description": "Of json and text: as events."},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"type": "string", "enum": list(GRANULARITIES)},
            "description": "Of verbose_json. Word times cost one more pass of the decoder.",
        },
        "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Decoding is greedy at any."},
    },
}


def _refusals() -> dict[int | str, dict[str, Any]]:
    rows = [*TABLE.values(), TOO_MUCH_FOR_NOW]
    return {row.http: {"model": RefusalShape, "description": row.title} for row in rows}


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _json(body: type[Asked], **example: Any) -> dict[str, Any]:
    content = {"schema": body.model_json_schema(), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _answering(**success: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "OK", **success}, **_refusals()}


TRANSCRIPTIONS: dict[str, Any] = {
    "openapi_extra": _form(_FORM),
    "responses": _answering(
        content={
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": f"#/components/schemas/{shape.__name__}"}
                        for shape in (TranscriptionShape, VerboseShape)
                    ]
                }
            },
            "text/plain": _TEXT,
            EVENTS: _EVENTS,
        },
        model=TranscriptionShape | VerboseShape,
    ),
}
TRANSLATIONS: dict[str, Any] = {
    "openapi_extra": _form({**_FORM, "required": ["file"]}),
    "status_code": 404,
    "responses": _refusals(),
}
SPEECH: dict[str, Any] = {
    "openapi_extra": _json(SpeechBody, model="tts-1", input="The line is running again.", voice="alloy"),
    "response_class": Response,
    "responses": _answering(
        content={
            **{one.media_type: {"schema": _FILE} for one in FORMATS.values()},
            EVENTS: {"example": 'data: {"type":"speech.audio.delta","audio":"//OExA…"}\n\n'},
        }
    ),
}
EMBEDDINGS: dict[str, Any] = {
    "openapi_extra": _json(EmbeddingsBody, model="text-embedding-3-small", input=["red shoes", "a pair of sneakers"]),
    "responses": _answering(model=EmbeddingsShape),
}
MODELS: dict[str, Any] = {"responses": _answering(model=ModelsShape)}
MODEL: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            {
                "name": "model",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "example": "whisper",
            }
        ]
    },
    "responses": _answering(model=ModelShape),
}
RERANK: dict[str, Any] = {
    "openapi_extra": _json(RerankBody, model="cross_encoder", query="red shoes", documents=["sneakers", "jam"]),
    "status_code": 404,
    "responses": _refusals(),
}
