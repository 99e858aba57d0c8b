"""POST /v1/audio/speech: every format is heard as what was said, and every mistake is told apart."""

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
