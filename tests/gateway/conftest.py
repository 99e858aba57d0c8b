"""A gateway in this process, both of its faces, and models that hear tones as words.

A fake utterance is a tone: its frequency is the word. Tones survive every codec and rate that speech survives.
"""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import httpx
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from conch.clients.edge import Client, Retries
from conch.clients.events import EventLog
from conch.clients.inference import Arrays, CallOptions, Inference, text_column
from conch.clients.inprocess import InProcessInference
from conch.contracts import errors
from conch.contracts.errors import ConchError, NotFound, TooMuch
from conch.contracts.specs import INTENTS, MODELS, SPEECH_RATE, VAD_WINDOW, WHISPER, DataType, ModelSpec, TensorSpec
from conch.contracts.voice import Segment, TranscriptSummary
from gateway.addresses import Addresses
from gateway.app import Gateway
from gateway.settings import Settings
from tests.recommend_spec import RECOMMEND, nothing

Samples = npt.NDArray[np.int16]

VOICE_COMMAND = ModelSpec(
    "voice_command",
    inputs=tuple(tensor for tensor in WHISPER.inputs if tensor.name != "with_words"),
    outputs=(*WHISPER.outputs[:-3], TensorSpec("intent", DataType.BYTES, (1,))),
)

WORDS = {300: "call", 500: "summon", 700: "weather", 900: "team", 1100: "mai", 1300: "help"}


def tone(frequency: int, seconds: float, rate: int = SPEECH_RATE) -> npt.NDArray[np.float32]:
    at = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * frequency * at)).astype(np.float32)


def silence(seconds: float, rate: int = SPEECH_RATE) -> npt.NDArray[np.float32]:
    return np.zeros(round(seconds * rate), np.float32)


def said(*words: str, rate: int = SPEECH_RATE, each_s: float = 0.6, pause_s: float = 1.6) -> npt.NDArray[np.float32]:
    """The words as tones, with pauses that cut, and silence around."""
    by_word = {word: frequency for frequency, word in WORDS.items()}
    parts = [silence(0.8, rate)]
    for word in words:
        parts += [tone(by_word[word], each_s, rate), silence(pause_s, rate)]
    return np.concatenate(parts)


def wav(samples: npt.NDArray[Any], rate: int = SPEECH_RATE, **options: str) -> bytes:
    """`options`: format and subtype, as soundfile names them."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", "subtype": "PCM_16", **options})
    return file.getvalue()


def heard(pcm: Samples) -> str:
    """The words of the tones in it."""
    windows = pcm[: len(pcm) // 1600 * 1600].reshape(-1, 1600).astype(np.float64)
    words: list[str] = []
    previous = ""
    for window in windows:
        word = ""
        if np.sqrt(np.mean(window**2)) > 1500:
            frequency = float(np.argmax(np.abs(np.fft.rfft(window * np.hanning(1600)))) * 10)
            word = WORDS.get(min(WORDS, key=lambda known: abs(known - frequency)), "")
        if word and word != previous:
            words.append(word)
        previous = word
    return " ".join(words)


LANGUAGES = ("en", "vi", "de")


def whisper(inputs: Arrays, call: CallOptions) -> Arrays:
    text = heard(inputs["pcm16"][0])
    language = str(inputs["language"][0, 0]) if "language" in inputs else ""
    if language and language not in LANGUAGES:
        raise NotFound(f"language {language} is not one of {len(LANGUAGES)}")
    words = text.split() if "with_words" in inputs and inputs["with_words"][0, 0] else []

    def number(value: float) -> npt.NDArray[np.float32]:
        return np.array([[value]], np.float32)

    return {
        "text": text_column(f" {text}" if text else ""),
        "language": text_column((language or "en") if text else ""),
        "language_probability": number(1.0 if text else 0.0),
        "avg_logprob": number(-0.25),
        "no_speech_prob": number(0.125),
        "compression_ratio": number(1.0),
        "speech_s": number(len(inputs["pcm16"][0]) / SPEECH_RATE),
        "rejected": text_column("" if text else "silence"),
        "words": text_column(*words).reshape(1, -1),
        "word_times": np.array([[[index * 0.5, index * 0.5 + 0.5] for index in range(len(words))]], np.float32).reshape(
            1, -1, 2
        ),
        "word_probabilities": np.full((1, len(words)), 0.5, np.float32),
    }


def vad(inputs: Arrays, call: CallOptions) -> Arrays:
    windows = inputs["pcm"][0].reshape(-1, VAD_WINDOW)
    calls = inputs["state"] + 1 if "state" in inputs else np.zeros((1, 2, 128), np.float32)
    loud = np.sqrt(np.mean(windows**2, axis=1)) > 0.05
    return {
        "probabilities": np.where(loud, 0.95, 0.02).astype(np.float32)[np.newaxis],
        "next_state": calls,
        "next_context": windows[-1:, -64:],
    }


def intent(inputs: Arrays, call: CallOptions) -> Arrays:
    rows = [_intent(text) for text in inputs["text"][:, 0]]
    return {
        "intent": text_column(*(name for name, _ in rows)),
        "confidence": np.array([[max(scores)] for _, scores in rows], np.float32),
        "intent_scores": np.array([scores for _, scores in rows], np.float32),
        "logits": np.zeros((len(rows), 3), np.float32),
    }


def _intent(text: str) -> tuple[str, list[float]]:
    if not text.strip():
        return "", [0.0, 0.0, 0.0]
    named = 0 if "summon" in text else 1 if "call" in text else 2
    sure = 0.8125 if "perhaps" in text else 0.875
    return INTENTS[named], [sure if index == named else (1 - sure) / 2 for index in range(3)]


def voice_command(inputs: Arrays, call: CallOptions) -> Arrays:
    recognised = dict(whisper(inputs, call))
    recognised["spoken_language"] = recognised.pop("language")
    recognised["text"] = text_column(str(recognised["text"][0, 0]).strip())
    return {**recognised, **intent({"text": recognised["text"]}, call)}


def piper(inputs: Arrays, call: CallOptions) -> Iterator[Arrays]:
    """A second a sentence, whose level is the number of its characters."""
    scale = float(inputs["length_scale"][0, 0]) if "length_scale" in inputs else 1.0
    for sentence in filter(None, map(str.strip, inputs["text"][0, 0].split("."))):
        yield {
            "pcm16": np.full((1, int(22050 * scale)), len(sentence), np.int16),
            "sample_rate": np.array([[22050]], np.int32),
        }


def embedding(inputs: Arrays, call: CallOptions) -> Arrays:
    vectors = np.zeros((len(inputs["text"]), 384), np.float32)
    for row, text in enumerate(inputs["text"][:, 0]):
        vectors[row, len(text) % 384] = 1.0
    tokens = np.array([[len(text.split())] for text in inputs["text"][:, 0]], np.int32)
    return {"embedding": vectors, "tokens": tokens, "version": text_column(*["1"] * len(vectors))}


@pytest.fixture
def models() -> InProcessInference:
    """Change `models.functions` to make one of them fail, wait or vanish."""
    functions: dict[str, Callable[[Arrays, CallOptions], Any]] = {
        "whisper": whisper,
        "vad": vad,
        "intent": intent,
        "voice_command": voice_command,
        "piper": piper,
        "embedding": embedding,
        "recommend": nothing,
    }
    return InProcessInference(functions, {**MODELS, "voice_command": VOICE_COMMAND, "recommend": RECOMMEND})


@dataclass
class Hold:
    """A model that waits until it is let go."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a held call ends, by release or by cancellation."""

    def before(self, function: Callable[[Arrays, CallOptions], Any]) -> Callable[[Arrays, CallOptions], Any]:
        async def held(inputs: Arrays, call: CallOptions) -> Any:
            self.entered.set()
            try:
                await self.release.wait()
                return function(inputs, call)
            finally:
                self.left.set()

        return held


@pytest.fixture
def settings() -> Settings:
    return quick_settings()


def quick_settings(**changes: Any) -> Settings:
    return Settings(grpc_address="127.0.0.1:0", http_address="127.0.0.1:0", drain_notice_s=0.0, **changes)


@contextlib.asynccontextmanager
async def running(settings: Settings, inference: Inference, events: EventLog | None = None) -> AsyncIterator[Addresses]:
    stop = asyncio.Event()
    listening: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(Gateway(settings, inference, events).serve(stop, listening))
        try:
            yield await listening
        finally:
            stop.set()


@pytest.fixture
async def gateway(models: InProcessInference, settings: Settings) -> AsyncIterator[Addresses]:
    async with running(settings, models) as addresses:
        yield addresses


@dataclass(frozen=True)
class Transcript:
    summary: TranscriptSummary
    segments: list[Segment]


CALLERS = ThreadPoolExecutor(64)
"""Not the loop's own threads, in which the gateway under test decodes."""


class Face(Protocol):
    """One way to call the gateway; errors come back as the classes they left as."""

    name: str

    async def transcribe(self, audio: bytes, **options: Any) -> dict[str, Any]: ...

    async def understand(self, text: str, **options: Any) -> dict[str, Any]: ...

    async def understand_audio(self, audio: bytes, **options: Any) -> dict[str, Any]: ...

    async def speak(self, text: str, **options: Any) -> tuple[int, bytes]: ...

    async def embed(self, texts: list[str], **options: Any) -> Any: ...


class GrpcFace:
    name = "grpc"

    def __init__(self, addresses: Addresses) -> None:
        self._address = addresses.grpc

    async def transcribe(self, audio: bytes, **options: Any) -> dict[str, Any]:
        events = await self._call(lambda client: list(client.transcribe_stream(audio, **options)))
        summary = events[-1]
        return {
            "text": summary.text,
            "language": summary.language,
            "duration_s": round(summary.duration_s, 3),
            "segments": [
                {
                    "text": event.text,
                    "start_s": round(event.start_s, 3),
                    "end_s": round(event.end_s, 3),
                    "language": event.language,
                    "words": [(word.text, round(word.start_s, 3)) for word in event.words],
                }
                for event in events
                if isinstance(event, Segment)
            ],
        }

    async def understand(self, text: str, **options: Any) -> dict[str, Any]:
        return self._understood(await self._call(lambda client: client.understand(text, **options)))

    async def understand_audio(self, audio: bytes, **options: Any) -> dict[str, Any]:
        return self._understood(await self._call(lambda client: client.understand_audio(audio, **options)))

    async def speak(self, text: str, **options: Any) -> tuple[int, bytes]:
        sentences = await self._call(lambda client: list(client.speak_stream(text, **options)))
        return sentences[0].sample_rate, b"".join(one.pcm16 for one in sentences)

    async def embed(self, texts: list[str], **options: Any) -> Any:
        return await self._call(lambda client: client.embed(texts, **options).vectors)

    async def _call(self, use: Callable[[Client], Any]) -> Any:
        def call() -> Any:
            with Client(self._address, retries=Retries(attempts=1)) as client:
                return use(client)

        return await asyncio.get_running_loop().run_in_executor(CALLERS, call)

    @staticmethod
    def _understood(understood: Any) -> dict[str, Any]:
        return {
            "text": understood.text,
            "language": understood.language,
            "intent": understood.intent,
            "confidence": round(understood.confidence, 4),
            "decision": understood.decision,
        }


class HttpFace:
    name = "http"

    def __init__(self, addresses: Addresses) -> None:
        self._url = f"http://{addresses.http}"

    async def transcribe(
        self, audio: bytes, *, with_words: bool = False, timeout_s: float | None = None, **fields: str
    ) -> dict[str, Any]:
        form = {**fields, "words": "true" if with_words else "false"}
        answer = (await self._post("/transcribe", timeout_s, files={"file": ("a", audio)}, data=form)).json()
        for segment in answer["segments"]:
            for score in ("avg_logprob", "no_speech_prob", "compression_ratio", "speech_s", "language_probability"):
                assert isinstance(segment.pop(score), float)
            segment["words"] = [(word["text"], word["start_s"]) for word in segment["words"]]
        return dict(answer)

    async def understand(self, text: str, timeout_s: float | None = None) -> dict[str, Any]:
        return self._understood(await self._post("/understand", timeout_s, json={"text": text}))

    async def understand_audio(self, audio: bytes, timeout_s: float | None = None, **fields: str) -> dict[str, Any]:
        return self._understood(await self._post("/understand", timeout_s, files={"file": ("a", audio)}, data=fields))

    async def speak(
        self, text: str, length_scale: float | None = None, timeout_s: float | None = None
    ) -> tuple[int, bytes]:
        body = {"text": text, "length_scale": length_scale}
        answer = await self._post("/speak", timeout_s, json=body)
        samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
        return rate, samples.tobytes()

    async def embed(self, texts: list[str], timeout_s: float | None = None) -> Any:
        answer = await self._post("/embed", timeout_s, json={"texts": texts})
        return np.array(answer.json()["embeddings"], np.float32)

    async def _post(self, path: str, timeout_s: float | None, **content: Any) -> httpx.Response:
        headers = {} if timeout_s is None else {"x-request-timeout-s": str(timeout_s)}
        async with httpx.AsyncClient(base_url=self._url, timeout=120, trust_env=False) as client:
            answer = await client.post(path, headers=headers, **content)
        if answer.status_code != 200:
            raise raised(answer)
        return answer

    @staticmethod
    def _understood(answer: httpx.Response) -> dict[str, Any]:
        fields = ("text", "language", "intent", "confidence", "decision")
        return {name: answer.json()[name] for name in fields}


def raised(answer: httpx.Response) -> ConchError:
    """The error that a problem document tells of."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = json.loads(answer.content)
    assert document["status"] == answer.status_code
    assert document["instance"] == answer.headers["x-conch-request-id"]
    kind: type[ConchError] = getattr(errors, document["type"].removeprefix("urn:conch:problem:"))
    if kind is TooMuch:
        after = answer.headers.get("retry-after")
        return TooMuch(document["detail"], None if after is None else float(after))
    return kind(document["detail"])


@pytest.fixture(params=["grpc", "http"])
def face(request: pytest.FixtureRequest, gateway: Addresses) -> Face:
    return face_of(request.param, gateway)


def face_of(name: str, addresses: Addresses) -> Face:
    return GrpcFace(addresses) if name == "grpc" else HttpFace(addresses)


@pytest.fixture
async def channel(gateway: Addresses) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(gateway.grpc) as channel:
        yield channel


@pytest.fixture
async def http(gateway: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{gateway.http}", timeout=60, trust_env=False) as client:
        yield client
