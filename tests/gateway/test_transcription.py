"""Transcribing recordings: order, bounds, languages, and what is given back when the caller leaves."""

import asyncio
import io
import re
import time
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import TooMuch, Unavailable
from conch.contracts.identity import Identity
from conch.contracts.voice import AudioInfo, Progress, Segment, TranscriptSummary
from gateway import patience
from gateway.calls import Call
from gateway.limits import Limits
from gateway.metrics import Metrics
from gateway.recognition import Expectation
from gateway.transcription import Transcription
from tests.gateway.conftest import Hold, said, silence, tone, wav, whisper

DETECTED = Expectation()
LONG = ("call", "mai", "summon", "team", "help", "weather")


def call() -> Call:
    return Call(Identity(request_id="r-1"), time.monotonic() + 60)


def transcribing(models: InProcessInference, audio: np.ndarray, expectation: Expectation = DETECTED, **options: Any):
    transcription = Transcription(models, Limits(), Metrics(), **options)
    return transcription.transcribe(io.BytesIO(wav(audio)), expectation, call())


async def all_of(events: Any) -> list[Any]:
    return [event async for event in events]


def texts(events: list[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, Segment)]


def calls_of(models: InProcessInference, name: str) -> list[Any]:
    return [asked for asked in models.asked if asked.model == name]


async def test_a_recording_that_uses_its_tenants_day_up_ends_at_once_with_what_was_done(
    models: InProcessInference,
) -> None:
    hears, heard = models.functions["whisper"], 0

    def hears_two(inputs: Arrays, options: CallOptions) -> Any:
        nonlocal heard
        heard += 1
        if heard > 2:
            raise TooMuch("the day is used up", 3600.0)
        return hears(inputs, options)

    models.functions["whisper"] = hears_two
    events: list[Any] = []

    async def collect() -> None:
        async for event in transcribing(models, said(*LONG), in_flight=1):
            events.append(event)  # noqa: PERF401 - they are looked at after it has failed

    with pytest.raises(TooMuch) as refused:
        await collect()
    assert texts(events) == list(LONG[:2])
    told = re.fullmatch(
        r"model whisper: the day is used up; ([0-9.]+) s of the recording were transcribed before",
        refused.value.message,
    )
    ends_s = [event.end_s for event in events if isinstance(event, Segment)]
    assert told is not None
    assert round(ends_s[-1], 1) <= float(told[1]) < events[0].duration_s
    assert refused.value.retry_after_s == 3600.0
    assert heard == 3


async def test_the_tenants_limit_of_audio_goes_with_every_call(models: InProcessInference) -> None:
    limited = Call(Identity("acme", "r-1", audio_seconds_per_day=60), time.monotonic() + 60)
    transcription = Transcription(models, Limits(), Metrics())
    await all_of(transcription.transcribe(io.BytesIO(wav(said("call"))), DETECTED, limited))
    assert {(asked.call.tenant, asked.call.audio_seconds_per_day) for asked in models.asked} == {("acme", 60)}


async def test_events_come_in_their_order(models: InProcessInference) -> None:
    events = await all_of(transcribing(models, said(*LONG)))
    assert isinstance(events[0], AudioInfo)
    assert texts(events) == list(LONG)
    assert isinstance(events[-1], TranscriptSummary)
    assert events[-1].text == " ".join(LONG)
    done = [event.done_s for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == events[-1].duration_s


async def test_only_speech_is_recognised(models: InProcessInference) -> None:
    audio = np.concatenate([silence(20), tone(300, 1.0), silence(20), tone(900, 1.0), silence(20)])
    await all_of(transcribing(models, audio))
    seconds = [asked.inputs["pcm16"].shape[1] / 16000 for asked in calls_of(models, "whisper")]
    assert seconds == [pytest.approx(1.6, abs=0.1)] * 2


async def test_a_recording_of_one_long_word_is_cut_below_the_recognisers_window(models: InProcessInference) -> None:
    events = await all_of(transcribing(models, tone(300, 90.0)))
    seconds = [asked.inputs["pcm16"].shape[1] / 16000 for asked in calls_of(models, "whisper")]
    assert max(seconds) <= 28
    assert sum(seconds) == pytest.approx(90, abs=0.1)
    segments = [event for event in events if isinstance(event, Segment)]
    assert [one.start_s for one in segments[1:]] == [one.end_s for one in segments[:-1]]


async def test_activity_is_asked_as_one_stream(models: InProcessInference) -> None:
    await all_of(transcribing(models, said(*LONG)))
    states = [
        float(asked.inputs["state"].max()) if "state" in asked.inputs else None for asked in calls_of(models, "vad")
    ]
    assert states == [None, *map(float, range(len(states) - 1))]
    assert len(states) >= 2


async def test_pieces_are_told_in_order_when_they_end_out_of_order(models: InProcessInference) -> None:
    others = asyncio.Event()
    ended: list[str] = []

    async def first_ends_last(inputs: Arrays, options: CallOptions) -> Arrays:
        answer = whisper(inputs, options)
        text = str(answer["text"][0, 0]).strip()
        if text == "call":
            await others.wait()
        ended.append(text)
        if len(ended) == 4:  # the moment of silence that tries the language, and three pieces
            others.set()
        return answer

    models.functions["whisper"] = first_ends_last
    events = await all_of(transcribing(models, said(*LONG), Expectation(language="en"), in_flight=4))
    assert texts(events) == list(LONG)
    assert ended[1:5] == ["mai", "summon", "team", "call"]


async def test_no_more_pieces_are_with_the_recogniser_than_allowed(models: InProcessInference) -> None:
    running = most = 0

    async def counted(inputs: Arrays, options: CallOptions) -> Arrays:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(20):
            await asyncio.sleep(0)
        running -= 1
        return whisper(inputs, options)

    models.functions["whisper"] = counted
    words = LONG * 4
    assert texts(await all_of(transcribing(models, said(*words), Expectation("en"), in_flight=3))) == list(words)
    assert most == 3


async def test_the_first_segment_comes_before_the_last_piece_is_read(models: InProcessInference) -> None:
    events = transcribing(models, np.concatenate([said("call"), silence(60), said("mai")]), Expectation("en"))
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Segment):
                break
    read_s = sum(asked.inputs["pcm"].shape[1] for asked in calls_of(models, "vad")) / 16000
    assert event.text == "call"
    assert read_s < 40


async def test_a_caller_who_leaves_withdraws_what_is_running(models: InProcessInference) -> None:
    hold = Hold()
    events = transcribing(models, said(*LONG), in_flight=4)
    models.functions["whisper"] = hold.before(whisper)

    async def listen() -> None:
        async with aclosing(events):
            async for _ in events:
                pass

    task = asyncio.create_task(listen())
    await hold.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hold.left.is_set()


async def test_the_language_is_detected_until_enough_speech_agrees_and_then_kept(models: InProcessInference) -> None:
    asked_in: list[str] = []

    def hears_german_first(inputs: Arrays, options: CallOptions) -> Arrays:
        asked_in.append(str(inputs["language"][0, 0]))
        answer = dict(whisper(inputs, options))
        if asked_in[-1] == "":
            answer["language"] = np.array([["de" if len(asked_in) == 1 else "vi"]], object)
        return answer

    models.functions["whisper"] = hears_german_first
    events = await all_of(transcribing(models, said(*LONG, *LONG)))
    assert asked_in[:2] == ["", ""]
    assert set(asked_in[6:]) == {"vi"}
    assert events[-1].language == "vi"


async def test_a_named_language_is_never_detected(models: InProcessInference) -> None:
    await all_of(transcribing(models, said(*LONG), Expectation(language="vi", prompt="Mai")))
    asked = calls_of(models, "whisper")
    assert {(str(one.inputs["language"][0, 0]), str(one.inputs["prompt"][0, 0])) for one in asked} == {("vi", "Mai")}


async def test_a_server_that_restarts_is_waited_for(
    models: InProcessInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "AWAY_WAITS_S", (0.01, 0.01, 0.01))
    failures = iter([True, True, True])

    def away_at_first(inputs: Arrays, options: CallOptions) -> Arrays:
        if next(failures, False):
            raise Unavailable("restarting")
        return whisper(inputs, options)

    models.functions["whisper"] = away_at_first
    assert texts(await all_of(transcribing(models, said("call")))) == ["call"]


async def test_a_server_that_stays_away_is_given_up(
    models: InProcessInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "AWAY_WAITS_S", (0.01, 0.01))
    models.functions["whisper"] = lambda inputs, options: (_ for _ in ()).throw(Unavailable("gone"))
    with pytest.raises(Unavailable, match="gone"):
        await all_of(transcribing(models, said("call")))


async def test_what_the_recogniser_does_not_trust_is_no_segment(models: InProcessInference) -> None:
    def mute(inputs: Arrays, options: CallOptions) -> Arrays:
        return whisper({**inputs, "pcm16": np.zeros_like(inputs["pcm16"])}, options)

    models.functions["whisper"] = mute
    events = await all_of(transcribing(models, said(*LONG)))
    assert texts(events) == []
    assert (events[-1].text, events[-1].language) == ("", "")
