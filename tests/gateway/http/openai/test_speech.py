"""POST /v1/audio/speech: every format is heard as what was said, and every mistake is told apart."""

import asyncio
import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import Unavailable
from gateway.addresses import Addresses
from gateway.encoding import FORMATS, RATE

ASKED = {"model": "tts-1", "voice": "alloy", "input": "One. Two and two."}


async def spoken(http: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await http.post("/v1/audio/speech", json={**ASKED, **changes})


def samples(name: str, content: bytes) -> Any:
    if name == "pcm":
        return np.frombuffer(content, "<i2")
    pcm, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == (48_000 if name == "opus" else RATE) or rate == RATE
    return pcm if rate == RATE else pcm[::2]


@pytest.fixture
def loud(models: InProcessInference) -> None:
    """A second of a tone a sentence, so that what a codec loses is nothing that counts."""

    def piper(inputs: Any, call: Any) -> Any:
        at = np.arange(22050) / 22050
        tone = (8000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
        for _ in filter(str.strip, inputs["text"][0, 0].split(".")):
            yield {"pcm16": tone[np.newaxis], "sample_rate": np.array([[22050]], np.int32)}

    models.functions["piper"] = piper


@pytest.mark.parametrize("name", FORMATS)
async def test_speech_comes_in_every_format(http: httpx.AsyncClient, loud: None, name: str) -> None:
    answer = await spoken(http, response_format=name)
    assert (answer.status_code, answer.headers["content-type"]) == (200, FORMATS[name].media_type)
    pcm = samples(name, answer.content)
    # An MP3 begins and ends with a frame or two of silence.
    assert len(pcm) == pytest.approx(2 * RATE, abs=0 if name in ("pcm", "wav", "flac") else 4000)
    middle = pcm[RATE // 2 : RATE // 2 + RATE].astype(np.float64)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440
    assert np.abs(middle).max() == pytest.approx(8000, rel=0.1)


async def test_mp3_is_what_comes_when_nothing_is_said(http: httpx.AsyncClient, loud: None) -> None:
    answer = await spoken(http)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert soundfile.info(io.BytesIO(answer.content)).format == "MP3"


@pytest.mark.parametrize(("speed", "seconds"), [(2.0, 1.0), (0.5, 4.0), (None, 2.0)])
async def test_twice_the_speed_is_half_as_long(http: httpx.AsyncClient, speed: float | None, seconds: float) -> None:
    answer = await spoken(http, response_format="pcm", speed=speed)
    assert len(answer.content) == pytest.approx(seconds * RATE * 2, abs=4)


async def test_the_first_sentence_leaves_before_the_second_is_made(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    heard = asyncio.Event()

    async def piper(inputs: Any, call: Any) -> Any:
        sentence = {"pcm16": np.ones((1, 22050), np.int16), "sample_rate": np.array([[22050]], np.int32)}
        yield sentence
        await heard.wait()
        yield sentence

    models.functions["piper"] = piper
    async with http.stream("POST", "/v1/audio/speech", json={**ASKED, "response_format": "pcm"}) as answer:
        parts = answer.aiter_bytes()
        first = await anext(parts)
        heard.set()
        rest = [part async for part in parts]
    assert 0 < len(first) <= RATE * 2
    assert len(first) + sum(map(len, rest)) == RATE * 4


async def test_events_hold_the_same_bytes(http: httpx.AsyncClient) -> None:
    plain = await spoken(http, response_format="wav")
    answer = await spoken(http, response_format="wav", stream_format="sse")
    assert answer.headers["content-type"] == "text/event-stream"
    *deltas, done = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert done == {"type": "speech.audio.done"}
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(delta["audio"]) for delta in deltas) == plain.content


async def test_openais_voices_stand_for_the_one_there_is(http: httpx.AsyncClient) -> None:
    for voice in ("joe", "nova", {"id": "joe"}):
        assert (await spoken(http, voice=voice)).status_code == 200


async def test_fields_that_nobody_here_reads_do_no_harm(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for extra in ({"instructions": "whisper"}, {"user": "u-1"}, {"seed": 7, "n": 1}, {"speed": None}):
        with subtests.test(**extra):
            assert (await spoken(http, **extra)).status_code == 200


MISTAKES: list[Any] = [
    ({"voice": "bob"}, 404, "voice_not_found", "voice", "'bob' is not here: joe"),
    ({"voice": 7}, 400, "invalid_request", "voice", "a name is needed"),
    ({"voice": {"name": "joe"}}, 400, "invalid_request", "voice", "an object with an id"),
    ({"model": "tts-9"}, 404, "model_not_found", "model", "piper, tts-1"),
    ({"model": "whisper-1"}, 400, "invalid_request", "model", "is not one that speaks"),
    ({"model": None}, 400, "invalid_request", "model", "valid string"),
    ({"input": ""}, 400, "invalid_request", "input", "is empty"),
    ({"input": " \n"}, 400, "invalid_request", "input", "is empty"),
    ({"input": ["a"]}, 400, "invalid_request", "input", "valid string"),
    ({"input": "a" * (64 * 1024 + 1)}, 413, "request_too_large", "input", "at most 65536"),
    ({"response_format": "aac"}, 400, "invalid_request", "response_format", "'mp3', 'opus', 'flac', 'wav'"),
    ({"speed": 0.2}, 400, "invalid_request", "speed", "greater than or equal to 0.25"),
    ({"speed": 4.1}, 400, "invalid_request", "speed", "less than or equal to 4"),
    ({"speed": "1.0"}, 400, "invalid_request", "speed", "valid number"),
    ({"stream_format": "chunks"}, 400, "invalid_request", "stream_format", "'audio' or 'sse'"),
]


async def test_every_mistake_is_told_apart(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for changes, status, code, param, message in MISTAKES:
        with subtests.test(message=message, changes=str(changes)[:60]):
            answer = await spoken(http, **changes)
            error = answer.json()["error"]
            told = answer.status_code, error["type"], error["code"], error["param"]
            assert told == (status, "invalid_request_error", code, param)
            assert message in error["message"]


async def test_a_speed_that_is_no_number_is_refused(http: httpx.AsyncClient) -> None:
    for speed in ("NaN", "Infinity", "1e999"):
        body = f'{{"model": "tts-1", "voice": "joe", "input": "One.", "speed": {speed}}}'
        answer = await http.post("/v1/audio/speech", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "speed")


async def test_a_model_that_is_away_is_told_before_any_sound(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    del models.functions["piper"]
    answer = await spoken(http)
    assert answer.status_code == 503
    assert answer.json()["error"] == {
        "message": "model piper is not served now: Request for unknown model: 'piper' is not found",
        "type": "server_error",
        "param": None,
        "code": "unavailable",
    }


@pytest.fixture
def failing(models: InProcessInference) -> None:
    def piper(inputs: Any, call: Any) -> Any:
        yield {"pcm16": np.ones((1, 22050), np.int16), "sample_rate": np.array([[22050]], np.int32)}
        raise Unavailable("the stub is gone")

    models.functions["piper"] = piper


async def test_sound_that_breaks_off_is_not_taken_for_whole(http: httpx.AsyncClient, failing: None) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await spoken(http, response_format="wav")


async def test_events_tell_why_they_break_off(http: httpx.AsyncClient, failing: None) -> None:
    answer = await spoken(http, response_format="wav", stream_format="sse")
    *_, last = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert last["error"]["message"] == "model piper: the stub is gone"
    assert last["error"]["type"] == "server_error"


async def test_a_caller_who_leaves_stops_the_voice(gateway: Addresses, models: InProcessInference) -> None:
    left = asyncio.Event()

    async def piper(inputs: Any, call: Any) -> Any:
        try:
            yield {"pcm16": np.ones((1, 22050), np.int16), "sample_rate": np.array([[22050]], np.int32)}
            await asyncio.Event().wait()
        finally:
            left.set()

    models.functions["piper"] = piper
    body = json.dumps({**ASKED, "response_format": "pcm"}).encode()
    reader, writer = await asyncio.open_connection(*gateway.http.split(":"))
    head = f"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await asyncio.wait_for(left.wait(), 30)


async def test_a_call_that_takes_too_long_is_ended(http: httpx.AsyncClient, models: InProcessInference) -> None:
    async def piper(inputs: Any, call: Any) -> Any:
        await asyncio.Event().wait()
        yield {}

    models.functions["piper"] = piper
    answer = await http.post("/v1/audio/speech", json=ASKED, headers={"x-request-timeout-s": "0.3"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
