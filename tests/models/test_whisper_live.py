"""Whisper in a real tritonserver: unequal audio runs together, and a bad row is nobody else's trouble."""

import asyncio
import re

import httpx
import jiwer
import numpy as np
import psutil
import pytest

from conch.clients.inference import text_column
from conch.clients.triton import TritonInference
from conch.contracts import metrics
from conch.contracts.errors import ConchError, InvalidRequest, NotFound
from tests.settling import settled

SENTENCES = (
    "Turn on the light.",
    "Summon the maintenance team to the loading dock.",
    "What is the weather like tomorrow?",
    "Please call the warehouse and ask them how many boxes arrived this morning.",
)


@pytest.fixture(scope="module")
def server(serving):
    return serving("whisper", "vad")


@pytest.fixture
async def triton(server):
    async with TritonInference(server.grpc) as inference:
        yield inference


async def hear(triton, pcm, rate=16_000, **inputs):
    name = "pcm16" if pcm.dtype == np.int16 else "pcm"
    return await triton.infer("whisper", {name: pcm[np.newaxis], "sample_rate": np.array([[rate]], np.int32), **inputs})


def text(answer):
    return answer["text"].item()


def error_rate(said, heard):
    return jiwer.wer(*([re.sub(r"[^\w ]", "", one.lower()) for one in texts] for texts in (said, heard)))


def noise(seconds=3.0):
    return np.random.default_rng(3).normal(0, 0.1, round(16_000 * seconds)).clip(-1, 1).astype(np.float32)


async def counted(server, metric):
    """The metric's value for whisper, when it has reached the server."""
    return await asyncio.to_thread(settled, lambda: told(server, metric))


def told(server, metric):
    page = httpx.get(f"http://{server.metrics}/metrics").text
    lines = [line for line in page.splitlines() if line.startswith(metric.name + "{") and 'model="whisper"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def test_speech_comes_back_as_text(triton, spoken):
    answers = [await hear(triton, spoken(sentence)) for sentence in SENTENCES]
    assert error_rate(SENTENCES, [text(one) for one in answers]) <= 0.15
    assert {one["language"].item() for one in answers} == {"en"}


async def test_audio_of_unequal_length_executes_together(server, triton, spoken):
    before = await counted(server, metrics.MODEL_ROWS), await counted(server, metrics.MODEL_EXECUTIONS)
    said = SENTENCES * 3
    answers = await asyncio.gather(*(hear(triton, spoken(sentence)) for sentence in said))
    rows = await counted(server, metrics.MODEL_ROWS) - before[0]
    executions = await counted(server, metrics.MODEL_EXECUTIONS) - before[1]
    assert rows == len(said)
    assert rows / executions > 2
    assert error_rate(said, [text(one) for one in answers]) <= 0.15


async def test_words_and_their_times_come_to_who_asks(triton, spoken):
    pcm = spoken(SENTENCES[1])
    asking = np.array([[True]])
    with_words, without = await asyncio.gather(hear(triton, pcm, with_words=asking), hear(triton, pcm))
    words, times = with_words["words"][0], with_words["word_times"][0]
    assert " ".join(words) == text(with_words)
    assert times.shape == (len(words), 2)
    assert (np.diff(times.reshape(-1)) >= 0).all()
    assert times[-1, 1] <= len(pcm) / 16_000
    assert with_words["word_probabilities"].shape == (1, len(words))
    assert without["words"].size == without["word_times"].size == 0


async def test_rows_of_one_request_are_answered_in_order(triton, spoken):
    # One request has one shape: the shorter is followed by silence.
    said = SENTENCES[:2]
    longest = max(len(spoken(sentence)) for sentence in said)
    pcm = np.stack([np.pad(spoken(sentence), (0, longest - len(spoken(sentence)))) for sentence in said])
    answer = await triton.infer("whisper", {"pcm16": pcm, "sample_rate": np.full((2, 1), 16_000, np.int32)})
    assert error_rate(said, answer["text"][:, 0]) <= 0.15


async def test_hints_and_a_language_travel_with_the_audio(triton, spoken):
    inputs = {"prompt": text_column("Kowalski, Nguyen"), "language": text_column("en")}
    answer = await hear(triton, spoken("Dial Kowalski."), **inputs)
    assert "kowalski" in text(answer).lower()
    assert answer["language_probability"].item() == 1


@pytest.mark.parametrize(
    "pcm", [np.zeros(0, np.int16), np.zeros(32_000, np.int16), noise()], ids=["none", "zeros", "noise"]
)
async def test_where_nobody_speaks_there_is_no_text(triton, pcm):
    answer = await hear(triton, pcm, prompt=text_column("Kowalski, Nguyen"))
    assert (text(answer), answer["language"].item()) == ("", "")
    assert answer["rejected"].item() in ("silence", "no_speech", "low_confidence", "loop")


def damaged():
    pcm = noise()
    pcm[100] = np.nan
    return pcm


BAD = {
    "NaN": (lambda: {"pcm": damaged()}, InvalidRequest, "model whisper: .*1 of 48000 values that are NaN"),
    "a wrong rate": (
        lambda: {"pcm": noise(), "rate": 96_000},
        InvalidRequest,
        "model whisper: .*sample_rate is 96000, the model takes 8000 to 48000",
    ),
    "31 seconds": (
        lambda: {"pcm": np.zeros(31 * 16_000, np.int16)},
        InvalidRequest,
        r"model whisper: .*the audio is 31\.00 s, one call takes 30\.00 s",
    ),
    "an unknown language": (
        lambda: {"pcm": noise(), "language": text_column("klingon")},
        NotFound,
        "model whisper: .*language 'klingon' is not one of af, am, ",
    ),
    "a prompt without end": (
        lambda: {"pcm": noise(), "prompt": text_column("call " * 500)},
        InvalidRequest,
        "model whisper: .*prompt has 500 tokens, the model takes 200",
    ),
    "a megabyte of prompt": (
        lambda: {"pcm": noise(), "prompt": text_column("x" * 2**20)},
        InvalidRequest,
        "model whisper: .*prompt has 1048576 characters, the model takes 4000",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_request_is_told_what_is_wrong(triton, what):
    make, kind, message = BAD[what]
    with pytest.raises(kind, match=message):
        await hear(triton, **make())


async def test_bad_rows_do_not_hurt_their_neighbours(server, triton, spoken):
    refused = await counted(server, metrics.MODEL_REFUSED)
    good = [hear(triton, spoken(sentence)) for sentence in SENTENCES]
    bad = [hear(triton, **make()) for make, _, _ in BAD.values()]
    mixed = [call for pair in zip(good, bad, strict=False) for call in pair] + bad[len(good) :]
    answers = await asyncio.gather(*mixed, return_exceptions=True)
    heard = [text(one) for one in answers if not isinstance(one, BaseException)]
    assert error_rate(SENTENCES, heard) <= 0.15
    assert sum(isinstance(one, ConchError) for one in answers) == len(BAD)
    assert await counted(server, metrics.MODEL_REFUSED) - refused == len(BAD)


async def test_the_model_s_memory_comes_back_after_large_and_bad_requests(server, triton):
    pcm = np.zeros(30 * 48_000, np.float32)

    async def rounds():
        for _ in range(4):
            large = [hear(triton, pcm, 48_000) for _ in range(4)]
            bad = [hear(triton, **make()) for make, _, _ in BAD.values()]
            await asyncio.gather(*large, *bad, return_exceptions=True)
        stubs = psutil.Process(server.process.pid).children(recursive=True)
        return sum(stub.memory_full_info().pss for stub in stubs)

    # The first rounds bring buffers to their size; what stayed of the next would add up to all that they sent.
    before = await rounds()
    assert await rounds() - before < 4 * 4 * pcm.nbytes / 2
