"""The openai package, unchanged but for its address and key, through edge and gateway to our real models."""

import http.client
import io
import itertools
import json
import string
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import openai
import pytest
import soundfile

from conch.stack.fronted import Front, fronted

MODELS = ("whisper", "vad", "piper", "embedding")

TENANTS = """
[tenants.acme]

[tenants.talker]
models = ["piper"]

[tenants.slow]
calls_per_second = 1
"""

SENTENCES = ("The quick brown fox jumps over the lazy dog.", "Please call the maintenance team to line four.")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with fronted(tmp_path_factory.mktemp("f"), MODELS, tenants=TENANTS) as running:
        yield running


@pytest.fixture(scope="module")
def client_of(front: Front) -> Callable[..., Any]:
    """`client_of("acme")`, or of openai.AsyncOpenAI: what a program makes that was written for OpenAI."""

    def client(tenant: str, kind: type[Any] = openai.OpenAI, **options: Any) -> Any:
        return kind(base_url=f"http://{front.http}/v1", api_key=front.key(tenant), timeout=60, **options)

    return client


@pytest.fixture(scope="module")
def client(client_of: Callable[..., Any]) -> Iterator[openai.OpenAI]:
    with client_of("acme") as made:
        yield made


@pytest.fixture(scope="module")
def talk(spoken: Callable[[str], Any]) -> bytes:
    """Two sentences, three seconds apart."""
    pause = np.zeros(3 * 16_000, np.int16)
    file = io.BytesIO()
    soundfile.write(file, np.concatenate([spoken(SENTENCES[0]), pause, spoken(SENTENCES[1])]), 16_000, format="WAV")
    return file.getvalue()


def wrong(heard: str, said: str = " ".join(SENTENCES)) -> float:
    """Share of words that were heard wrongly."""
    said, heard = (text.lower().translate(str.maketrans("", "", string.punctuation)) for text in (said, heard))
    return float(jiwer.wer(said, heard))


def test_a_recording_is_transcribed_from_a_path_and_from_bytes(
    client: openai.OpenAI, talk: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(talk)
    for file in (path, ("talk.wav", talk), io.BytesIO(talk)):
        answer = client.audio.transcriptions.create(model="whisper-1", file=file)
        assert wrong(answer.text) <= 0.25
        assert (answer.usage.type, answer.usage.seconds) == ("duration", -(-len(talk) // 32_000))


def test_the_verbose_answer_has_words_and_segments(client: openai.OpenAI, talk: bytes) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1",
        file=("talk.wav", talk),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        prompt="maintenance team",
        temperature=0,
    )
    assert (answer.language, len(answer.segments)) == ("english", 2)
    assert answer.segments[1].start > answer.segments[0].end + 1.5
    times = [word.start for word in answer.words]
    assert len(times) >= 12
    assert times == sorted(times)


@pytest.mark.parametrize(("name", "begin"), [("text", "The"), ("srt", "1\n00:00:0")])
def test_a_transcript_comes_as_text(client: openai.OpenAI, talk: bytes, name: Any, begin: str) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=("talk.wav", talk), response_format=name, language="en"
    )
    assert isinstance(answer, str)
    assert answer.startswith(begin)
    assert answer.endswith("\n")


async def test_a_transcript_is_streamed_segment_by_segment(client_of: Callable[..., Any], talk: bytes) -> None:
    async with client_of("acme", openai.AsyncOpenAI) as client:
        stream = await client.audio.transcriptions.create(model="whisper-1", file=("talk.wav", talk), stream=True)
        *deltas, done = [event async for event in stream]
    assert [delta.type for delta in deltas] == ["transcript.text.delta"] * 2
    assert done.type == "transcript.text.done"
    assert "".join(delta.delta for delta in deltas) == done.text
    assert wrong(done.text) <= 0.25


@pytest.mark.parametrize("name", ["mp3", "opus", "wav", "pcm"])
def test_speech_in_every_format_is_heard_again(client: openai.OpenAI, tmp_path: Path, name: Any) -> None:
    path = tmp_path / f"speech.{name}"
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=SENTENCES[0], response_format=name
    ) as answer:
        answer.stream_to_file(path)
    if name == "pcm":
        soundfile.write(tmp_path / "pcm.wav", np.frombuffer(path.read_bytes(), "<i2"), 24_000)
        path = tmp_path / "pcm.wav"
    heard = client.audio.transcriptions.create(model="whisper-1", file=path, language="en")
    assert wrong(heard.text, SENTENCES[0]) <= 0.25


def test_speech_is_mp3_when_no_format_is_named(client: openai.OpenAI) -> None:
    content = client.audio.speech.create(model="gpt-4o-mini-tts", voice="coral", input="Yes.").content
    assert soundfile.info(io.BytesIO(content)).format == "MP3"


async def test_speech_is_streamed_to_an_async_caller(client_of: Callable[..., Any]) -> None:
    async with (
        client_of("acme", openai.AsyncOpenAI) as client,
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="joe", input=" ".join(SENTENCES), response_format="pcm", speed=1.5
        ) as answer,
    ):
        sizes = [len(part) async for part in answer.iter_bytes()]
    assert answer.headers["content-type"] == "audio/pcm"
    assert len(sizes) >= 2
    assert 1.5 < sum(sizes) / 48_000 < 8


def test_embeddings_come_packed_as_the_package_asks_for_them(client: openai.OpenAI) -> None:
    texts = ["a dog in the garden", "a puppy outside the house", "the income tax form"]
    answer = client.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=384)
    dog, puppy, tax = (np.array(one.embedding, np.float32) for one in answer.data)
    assert np.linalg.norm([dog, puppy, tax], axis=1) == pytest.approx([1, 1, 1], abs=1e-3)
    assert dog @ puppy > dog @ tax + 0.2
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (14, 14)
    plain = client.embeddings.create(model="embedding", input=texts[0], encoding_format="float")
    np.testing.assert_allclose(plain.data[0].embedding, dog, atol=0.02)


def test_models_are_listed_and_retrieved(client: openai.OpenAI, client_of: Callable[..., Any]) -> None:
    names = {model.id for model in client.models.list()}
    assert {*MODELS, "whisper-1", "tts-1", "text-embedding-3-small"} <= names
    assert client.models.retrieve("whisper-1").id == "whisper-1"
    with client_of("talker") as talker:
        assert {"piper", "tts-1"} <= {model.id for model in talker.models.list()} <= names - {"whisper", "whisper-1"}


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_refusals_are_the_packages_own_errors(client: openai.OpenAI, client_of: Callable[..., Any]) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model="text-embedding-9", input="a")
    assert (unknown.value.code, unknown.value.param, unknown.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    with pytest.raises(openai.BadRequestError, match="no format") as damaged:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no audio at all"))
    assert damaged.value.param == "file"
    with pytest.raises(openai.NotFoundError, match="translates"):
        client.audio.translations.create(model="whisper-1", file=("a.wav", b"RIFF"))
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
    with client_of("talker") as talker, pytest.raises(openai.PermissionDeniedError):
        talker.embeddings.create(model="embedding", input="a")


def test_a_wrong_key_is_told_by_the_package(front: Front, client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="sk-nothing-that-we-made").models.list()
    assert refused.value.type == "authentication_error"


def test_what_the_edge_itself_refuses_is_told_as_the_gateway_tells_it(front: Front) -> None:
    connection = http.client.HTTPConnection(front.http, timeout=60)
    connection.putrequest("POST", "/v1/audio/transcriptions")
    connection.putheader("authorization", f"Bearer {front.key('acme')}")
    connection.putheader("content-length", str(2**30))
    connection.endheaders()
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    connection.close()
    assert (answer.status, error["type"], error["code"]) == (413, "invalid_request_error", "request_too_large")


def test_the_answer_has_the_request_id_that_logs_have(client: openai.OpenAI, front: Front) -> None:
    answer = client.embeddings.with_raw_response.create(model="embedding", input="a")
    assert answer.headers["x-conch-request-id"]
    assert (
        f"face=openai method=Embed request_id={answer.headers['x-conch-request-id']}" in front.gateway_log.read_text()
    )


def test_the_package_waits_as_long_as_the_edge_says(client_of: Callable[..., Any]) -> None:
    """One call a second: the second call is refused, and comes again by itself."""
    waits: list[float] = []

    class Noting(openai.OpenAI):
        def _calculate_retry_timeout(self, remaining_retries: int, options: Any, response_headers: Any = None) -> float:
            wait_s = super()._calculate_retry_timeout(remaining_retries, options, response_headers)
            waits.append(wait_s)
            return wait_s

    with client_of("slow", Noting, max_retries=5) as slow:
        while not waits:
            slow.models.retrieve("whisper")
    assert set(waits) == {1.0}
    with client_of("slow", max_retries=0) as slow, pytest.raises(openai.RateLimitError) as refused:
        deque((slow.models.retrieve("whisper") for _ in itertools.count()), maxlen=0)
    assert refused.value.response.headers["retry-after"] == "1"
    assert refused.value.type == "rate_limit_error"
