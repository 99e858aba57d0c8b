"""The JSON of OpenAI's calls, as its clients send and read it. Fields that we do not know are let be."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from conch.contracts.specs import EMBEDDING_WIDTH
from gateway.http.openai.names import OPENAI_VOICES, VOICE, names_of

_TEXT = {"type": "string", "minLength": 1}
_TEXTS = WithJsonSchema(
    {
        "anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}],
        "description": "A text or several. Arrays of tokens are refused: they are another model's.",
    }
)
_NAME = {"type": "string", "enum": [VOICE, *OPENAI_VOICES]}
_VOICE = WithJsonSchema(
    {
        "anyOf": [_NAME, {"type": "object", "required": ["id"], "properties": {"id": _NAME}}],
        "description": f"{VOICE}; OpenAI's own names stand for it too.",
    }
)
_DOCUMENT = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string"},
            {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        ]
    }
)


def _one_of(model: str) -> Any:
    """Said, not checked: another name is refused as OpenAI refuses it, once it is known which call it came with."""
    return Field(json_schema_extra={"enum": list(names_of(model))})


class Asked(BaseModel):
    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    model: str


class SpeechBody(Asked):
    model: Annotated[str, _one_of("piper")]
    input: Annotated[str, Field(json_schema_extra={"minLength": 1})]
    """The text; at most 64 KiB."""
    voice: Annotated[JsonValue, _VOICE]
    response_format: Literal["mp3", "opus", "flac", "wav", "pcm"] | None = "mp3"
    """pcm is 24,000 samples a second, 16 bit little-endian, mono. FLAC comes when all of it is ready."""
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = 1.0
    stream_format: Literal["audio", "sse"] | None = "audio"
    """sse: events that hold the same bytes in base64."""


class EmbeddingsBody(Asked):
    model: Annotated[str, _one_of("embedding")]
    input: Annotated[JsonValue, _TEXTS]
    encoding_format: Literal["float", "base64"] | None = "float"
    """base64: little-endian float32."""
    dimensions: Annotated[int, WithJsonSchema({"const": EMBEDDING_WIDTH})] | None = None


class RerankBody(Asked):
    query: str
    documents: list[Annotated[JsonValue, _DOCUMENT]]
    top_n: int | None = None
    return_documents: bool | None = None


class DurationUsage(BaseModel):
    type: Literal["duration"] = "duration"
    seconds: int
    """Of audio, begun ones counted whole."""


class TranscriptionShape(BaseModel):
    text: str
    usage: DurationUsage


class SegmentShape(BaseModel):
    id: int
    seek: int
    """Hundredths of a second before the segment."""
    start: float
    end: float
    text: str
    tokens: list[int]
    """Empty: the recogniser does not tell them."""
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class WordShape(BaseModel):
    word: str
    start: float
    end: float


class VerboseShape(BaseModel):
    task: Literal["transcribe"] = "transcribe"
    language: str
    """Its English name, as OpenAI gives it; empty where nothing was said."""
    duration: float
    text: str
    words: list[WordShape] | None
    segments: list[SegmentShape] | None
    usage: DurationUsage


class EmbeddingShape(BaseModel):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class TokenUsage(BaseModel):
    prompt_tokens: int
    """Word pieces that the model has read; it reads the first 254 of a text."""
    total_tokens: int


class EmbeddingsShape(BaseModel):
    object: Literal["list"] = "list"
    data: list[EmbeddingShape]
    model: str
    usage: TokenUsage


class ModelShape(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """Not known."""
    owned_by: Literal["conch"] = "conch"
    root: str
    """The model that answers: another one than `id` where that is a name of OpenAI's."""


class ModelsShape(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelShape]


class ErrorShape(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class RefusalShape(BaseModel):
    error: ErrorShape
