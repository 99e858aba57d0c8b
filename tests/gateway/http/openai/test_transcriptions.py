"""POST /v1/audio/transcriptions: the words of tones in every format, and every mistake told apart."""

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import Internal
from tests.gateway.conftest import Hold, quick_settings, running, said, silence, wav

PATH = "/v1/audio/transcriptions"

LONG = wav(np.concatenate([said("call", "summon"), silence(0.2)]))
"""The words begin after 0.8 and 3.0 s; 5.4 s in all."""


async def transcribed(http: httpx.AsyncClient, audio: bytes = LONG, path: str = PATH, **fields: Any) -> httpx.Response:
    return await http.post(path, files={"file": ("a.wav", audio)}, data={"model": "whisper-1", **fields})


async def events(http: httpx.AsyncClient, audio: bytes = LONG, **fields: Any) -> list[dict[str, Any]]:
    answer = await transcribed(http, audio, stream="true", **fields)
    assert answer.headers["content-type"] == "text/event-stream"
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


async def test_the_plain_answer_is_the_text_and_what_it_cost(http: httpx.AsyncClient) -> None:
    answer = await transcribed(http)
    assert answer.json() == {"text": "call summon", "usage": {"type": "duration", "seconds": 6}}


async def test_text_is_the_text_alone(http: httpx.AsyncClient) -> None:
    answer = await transcribed(http, response_format="text")
    assert (answer.text, answer.headers["content-type"]) == ("call summon\n", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("name", "subtitles"),
    [
        ("srt", "1\n00:00:00,512 --> 00:00:01,696\ncall\n\n2\n00:00:02,688 --> 00:00:03,904\nsummon\n"),
        ("vtt", "WEBVTT\n\n00:00:00.512 --> 00:00:01.696\ncall\n\n00:00:02.688 --> 00:00:03.904\nsummon\n"),
    ],
    ids=["srt", "vtt"],
)
async def test_subtitles_are_the_segments(http: httpx.AsyncClient, name: str, subtitles: str) -> None:
    answer = await transcribed(http, response_format=name)
    assert (answer.text, answer.headers["content-type"]) == (subtitles, "text/plain; charset=utf-8")


async def test_the_verbose_answer_has_segments_as_whispers_own(http: httpx.AsyncClient) -> None:
    answer = (await transcribed(http, response_format="verbose_json", language="vi")).json()
    segments = answer.pop("segments")
    assert answer == {
        "task": "transcribe",
        "language": "vietnamese",
        "duration": 5.4,
        "text": "call summon",
        "usage": {"type": "duration", "seconds": 6},
    }
    assert "".join(segment["text"] for segment in segments) == " call summon"
    assert segments[1] == {
        "id": 1,
        "seek": 269,
        "start": 2.688,
        "end": 3.904,
        "text": " summon",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.125,
    }


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
async def test_the_times_that_were_asked_for_are_told(http: httpx.AsyncClient, name: str) -> None:
    for asked, parts in (
        ([], {"segments"}),
        (["segment"], {"segments"}),
        (["word"], {"words"}),
        (["word", "segment"], {"words", "segments"}),
    ):
        answer = (await transcribed(http, response_format="verbose_json", **{name: asked})).json()
        assert answer.keys() & {"words", "segments"} == parts
    assert answer["words"][1] == {"word": "summon", "start": 2.688, "end": 3.188}


async def test_silence_is_an_empty_text(http: httpx.AsyncClient) -> None:
    answer = await transcribed(http, wav(silence(1.5)), response_format="verbose_json")
    assert (answer.json()["text"], answer.json()["segments"], answer.json()["language"]) == ("", [], "")
    assert [event["type"] for event in await events(http, wav(silence(1.5)))] == ["transcript.text.done"]


async def test_a_stream_tells_each_segment_and_then_all(http: httpx.AsyncClient) -> None:
    first, second, done = await events(http)
    assert first == {"type": "transcript.text.delta", "delta": "call"}
    assert second == {"type": "transcript.text.delta", "delta": " summon"}
    assert done == {
        "type": "transcript.text.done",
        "text": "call summon",
        "usage": {"type": "duration", "seconds": 6},
    }


async def test_a_segment_leaves_before_the_next_is_recognised(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    whisper, heard = models.functions["whisper"], asyncio.Event()

    async def one_after_the_other(inputs: Any, call: Any) -> Any:
        answer = whisper(inputs, call)
        if "summon" in str(answer["text"][0, 0]):
            await heard.wait()
        return answer

    models.functions["whisper"] = one_after_the_other
    form: dict[str, Any] = {"files": {"file": ("a.wav", LONG)}, "data": {"model": "whisper", "stream": "true"}}
    async with http.stream("POST", PATH, **form) as answer:
        lines = answer.aiter_lines()
        assert json.loads((await anext(lines)).removeprefix("data: "))["delta"] == "call"
        heard.set()
        assert len([line async for line in lines if line.startswith("data: ")]) == 2


async def test_a_stream_that_breaks_off_says_why(http: httpx.AsyncClient, models: InProcessInference) -> None:
    whisper = models.functions["whisper"]

    def breaking(inputs: Any, call: Any) -> Any:
        answer = whisper(inputs, call)
        if "summon" in str(answer["text"][0, 0]):
            raise Internal("the details stay at home")
        return answer

    models.functions["whisper"] = breaking
    first, last = await events(http, language="en")
    assert first["delta"] == "call"
    assert (last["error"]["type"], last["error"]["code"]) == ("server_error", "internal_error")


async def test_a_file_that_is_no_audio_is_refused_before_a_stream_begins(http: httpx.AsyncClient) -> None:
    answer = await transcribed(http, b"<html>", stream="true")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


async def test_a_temperature_asks_for_nothing_that_must_be(http: httpx.AsyncClient) -> None:
    for temperature in ("", "0", "0.2", "1"):
        assert (await transcribed(http, temperature=temperature)).json()["text"] == "call summon"


async def test_fields_that_nobody_here_reads_do_no_harm(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for extra in ({"user": "u"}, {"chunking_strategy": "auto"}, {"language": ""}, {"stream": "false"}):
        with subtests.test(**extra):
            assert (await transcribed(http, **extra)).json()["text"] == "call summon"


MISTAKES: list[Any] = [
    ({"model": ""}, 400, "invalid_request", "model", "is missing"),
    ({"model": "whisper-9"}, 404, "model_not_found", "model", "whisper, whisper-1"),
    ({"model": "tts-1"}, 400, "invalid_request", "model", "is not one that transcribes"),
    ({"response_format": "diarized_json"}, 400, "invalid_request", "response_format", "json, text, srt"),
    ({"response_format": "srt", "stream": "true"}, 400, "invalid_request", "response_format", "json, text are"),
    ({"stream": "perhaps"}, 400, "invalid_request", "stream", "true or false"),
    ({"temperature": "1.1"}, 400, "invalid_request", "temperature", "0 to 1"),
    ({"temperature": "nan"}, 400, "invalid_request", "temperature", "0 to 1"),
    ({"temperature": "hot"}, 400, "invalid_request", "temperature", "'hot'"),
    ({"timestamp_granularities[]": "word"}, 400, "invalid_request", "timestamp_granularities", "verbose_json"),
    ({"timestamp_granularities[]": "letter"}, 400, "invalid_request", "timestamp_granularities", "word, segment"),
    ({"include[]": "logprobs"}, 400, "invalid_request", "include", "log probabilities"),
    ({"language": "xx"}, 404, "not_found", None, "language xx"),
    ({"prompt": "a" * 1025}, 413, "request_too_large", "prompt", "at most 1024"),
]


async def test_every_mistake_is_told_apart(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for fields, status, code, param, message in MISTAKES:
        with subtests.test(message=message, fields=str(fields)[:60]):
            answer = await transcribed(http, **fields)
            error = answer.json()["error"]
            told = answer.status_code, error["type"], error["code"], error["param"]
            assert told == (status, "invalid_request_error", code, param)
            assert message in error["message"]


FORMS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "no file": ({"data": {"model": "whisper-1"}, "files": {"sound": b"RIFF"}}, "file", "a file named `file`"),
    "empty file": ({"data": {"model": "whisper-1"}, "files": {"file": b""}}, "file", "is empty"),
    "no audio": ({"data": {"model": "whisper-1"}, "files": {"file": b"no audio"}}, "file", "no format"),
    "urlencoded": ({"data": {"model": "whisper-1"}}, None, "multipart/form-data is needed"),
    "json": ({"json": {"model": "whisper-1"}}, None, "application/json, multipart/form-data is needed"),
    "bare file": ({"content": LONG, "headers": {"content-type": "audio/wav"}}, None, "multipart/form-data is needed"),
    "no boundary": ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, None, "cannot be read"),
    "many fields": ({"data": {str(at): "x" for at in range(70)}, "files": {"file": LONG}}, None, "cannot be read"),
}


async def test_what_holds_no_audio_is_refused(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for name, (content, param, message) in FORMS.items():
        with subtests.test(name):
            answer = await http.post(PATH, **content)
            error = answer.json()["error"]
            assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
            assert message in error["message"]


async def test_too_large_a_file_is_refused_while_it_arrives(models: InProcessInference) -> None:
    async with (
        running(quick_settings(max_audio_bytes=2**20), models) as addresses,
        httpx.AsyncClient(base_url=f"http://{addresses.http}", timeout=60, trust_env=False) as http,
    ):
        answer = await transcribed(http, b"R" * 4 * 2**20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


async def test_too_many_at_once_are_told_when_to_come_back(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["vad"] = hold.before(models.functions["vad"])
    async with (
        running(quick_settings(max_transcriptions=1), models) as addresses,
        httpx.AsyncClient(base_url=f"http://{addresses.http}", timeout=60, trust_env=False) as http,
    ):
        first = asyncio.create_task(transcribed(http))
        await hold.entered.wait()
        second = await transcribed(http)
        hold.release.set()
        assert (await first).status_code == 200
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    error = second.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)


async def test_translation_is_refused_with_its_reason(http: httpx.AsyncClient) -> None:
    answer = await transcribed(http, path="/v1/audio/translations")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (404, "invalid_request_error", "unsupported")
    assert "/v1/audio/transcriptions" in error["message"]
