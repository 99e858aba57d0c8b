"""What the gateway does, asked on both of its faces: the same answers and the same refusals."""

import asyncio
import io

import grpc
import httpx
import numpy as np
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import (
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    TooMuch,
    Unavailable,
)
from conch.contracts.specs import PRIORITY_BULK, PRIORITY_INTERACTIVE
from gateway.addresses import Addresses
from gateway.settings import Settings
from tests.gateway.conftest import Face, Hold, face_of, quick_settings, running, said, silence, tone, wav, whisper

CALL = np.concatenate([silence(0.5), tone(300, 0.6), silence(0.3), tone(1100, 0.6), silence(0.5)])


async def test_recorded_speech_becomes_segments_with_their_times(face: Face) -> None:
    transcript = await face.transcribe(wav(said("call", "mai")))
    assert transcript["text"] == "call mai"
    assert transcript["language"] == "en"
    assert transcript["duration_s"] == 5.2
    assert [(segment["text"], segment["language"]) for segment in transcript["segments"]] == [
        ("call", "en"),
        ("mai", "en"),
    ]
    first, second = transcript["segments"]
    assert (first["start_s"], first["end_s"]) == (pytest.approx(0.5, abs=0.05), pytest.approx(1.7, abs=0.05))
    assert (second["start_s"], second["end_s"]) == (pytest.approx(2.7, abs=0.05), pytest.approx(3.9, abs=0.05))


async def test_words_have_times_from_the_start_of_the_file_when_asked_for(face: Face) -> None:
    transcript = await face.transcribe(wav(said("call", "mai")), with_words=True)
    starts = [segment["start_s"] for segment in transcript["segments"]]
    assert [segment["words"] for segment in transcript["segments"]] == [[("call", starts[0])], [("mai", starts[1])]]


async def test_words_have_no_times_when_not_asked_for(face: Face) -> None:
    transcript = await face.transcribe(wav(said("call")))
    assert transcript["segments"][0]["words"] == []


async def test_silence_has_no_segments(face: Face) -> None:
    transcript = await face.transcribe(wav(silence(5)))
    assert transcript == {"text": "", "language": "", "duration_s": 5.0, "segments": []}


async def test_the_named_language_is_the_models_to_hear_in(face: Face) -> None:
    assert (await face.transcribe(wav(said("call")), language="vi"))["language"] == "vi"


@pytest.mark.parametrize("audio", [said("call"), silence(3)], ids=["speech", "silence"])
async def test_an_unknown_language_is_refused(face: Face, audio: np.ndarray) -> None:
    with pytest.raises(NotFound, match="language xx"):
        await face.transcribe(wav(audio), language="xx")


async def test_a_written_command_is_understood(face: Face) -> None:
    assert await face.understand("call mai") == {
        "text": "call mai",
        "language": "",
        "intent": "DIAL_PERSON",
        "confidence": 0.875,
        "decision": "execute",
    }


@pytest.mark.parametrize(
    ("text", "decision"), [("summon the team", "execute"), ("perhaps call mai", "confirm"), ("sunny", "forward")]
)
async def test_the_gate_decides(face: Face, text: str, decision: str) -> None:
    assert (await face.understand(text))["decision"] == decision


async def test_a_spoken_command_is_understood(face: Face) -> None:
    assert await face.understand_audio(wav(CALL)) == {
        "text": "call mai",
        "language": "en",
        "intent": "DIAL_PERSON",
        "confidence": 0.875,
        "decision": "execute",
    }


async def test_a_silent_command_is_ignored(face: Face) -> None:
    understood = await face.understand_audio(wav(silence(3)))
    assert (understood["text"], understood["intent"], understood["decision"]) == ("", "", "ignore")


async def test_a_text_is_spoken_in_its_order(face: Face) -> None:
    rate, pcm = await face.speak("One. Three. Seven.")
    assert rate == 22050
    assert np.frombuffer(pcm, "<i2")[11025::22050].tolist() == [3, 5, 5]


async def test_speech_may_be_slower(face: Face) -> None:
    _, pcm = await face.speak("One.", length_scale=2.0)
    assert len(pcm) == 2 * 2 * 22050


async def test_texts_are_embedded_in_their_order(face: Face) -> None:
    texts = ["x" * length for length in range(1, 101)]
    vectors = await face.embed(texts)
    assert np.argmax(vectors, axis=1).tolist() == list(range(1, 101))


REFUSED_AUDIO = {
    "empty": (b"", InvalidRequest, "empty"),
    "no samples": (wav(silence(0)), InvalidRequest, "0 samples"),
    "truncated wav": (wav(said("call"))[:-1000], InvalidRequest, "truncated"),
    "truncated flac": (wav(said("call"), format="FLAC")[:-1000], InvalidRequest, "truncated"),
    "truncated ogg": (wav(said("call"), format="OGG", subtype="VORBIS")[:-1000], InvalidRequest, "truncated"),
    "truncated mp3": (
        wav(said("call"), format="MP3", subtype="MPEG_LAYER_III")[:-2000],
        InvalidRequest,
        "truncated",
    ),
    "text": (b"Not audio at all, but a letter.", InvalidRequest, "no format"),
    "another format": (wav(said("call"), format="AIFF"), InvalidRequest, "no format"),
    "noise bytes": (np.random.default_rng(7).bytes(100_000), InvalidRequest, "no format"),
    "too low a rate": (wav(silence(10, 1000), 1000), InvalidRequest, "1000 samples a second, 4000 to 192000"),
    "too many channels": (wav(np.zeros((16000, 9))), InvalidRequest, "9 channels, 1 to 8"),
    "two hours": (wav(np.zeros(7200 * 4000, np.int16), 4000, format="FLAC"), TooMuch, "7200.0 s long, at most 3600 s"),
    "NaN": (wav(np.full(16000, np.nan, np.float32), subtype="FLOAT"), InvalidRequest, "NaN"),
}


@pytest.mark.parametrize("name", REFUSED_AUDIO)
async def test_bad_audio_is_refused_by_both_calls_that_take_it(face: Face, name: str) -> None:
    audio, kind, message = REFUSED_AUDIO[name]
    with pytest.raises(kind, match=message) as of_transcribe:
        await face.transcribe(audio)
    if name == "two hours":
        kind, message = TooMuch, "7200.0 s long, at most 30 s"
    with pytest.raises(kind, match=message) as of_understand:
        await face.understand_audio(audio)
    assert type(of_transcribe.value) is type(of_understand.value) is kind


async def test_a_hundred_megabytes_of_noise_are_refused_by_their_first_bytes(face: Face) -> None:
    noise = np.random.default_rng(8).bytes(100 * 2**20)
    with pytest.raises(InvalidRequest, match="no format"):
        await face.transcribe(noise)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", InvalidRequest, "empty"),
        (" \n\t ", InvalidRequest, "empty"),
        ("a" * 2**20, TooMuch, r"\d+ bytes, at most \d+"),
    ],
    ids=["empty", "white", "one megabyte"],
)
async def test_bad_text_is_refused_by_every_call_that_takes_one(
    face: Face, text: str, kind: type[ConchError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await face.understand(text)
    with pytest.raises(kind, match=message):
        await face.speak(text)
    with pytest.raises(kind, match=message):
        await face.embed(["fine", text])


async def test_text_just_over_its_limit_is_told_both_numbers(face: Face) -> None:
    with pytest.raises(TooMuch, match="the text has 4097 bytes, at most 4096 are taken"):
        await face.understand("é" * 2048 + "a")
    with pytest.raises(TooMuch, match="the text has 65537 bytes, at most 65536 are taken"):
        await face.speak("a" * 65537)
    with pytest.raises(TooMuch, match=r"texts\[1\] has 8193 bytes, at most 8192 are taken"):
        await face.embed(["a", "a" * 8193])


async def test_a_batch_of_texts_is_neither_empty_nor_too_large(face: Face) -> None:
    with pytest.raises(InvalidRequest, match="at least 1"):
        await face.embed([])
    with pytest.raises(TooMuch, match="257 texts, at most 256"):
        await face.embed(["a"] * 257)


async def test_a_long_prompt_is_refused(face: Face) -> None:
    with pytest.raises(TooMuch, match="the prompt has 1025 bytes, at most 1024"):
        await face.transcribe(wav(said("call")), prompt="a" * 1025)


@pytest.mark.parametrize("scale", [0.0, -1.0, 100.0])
async def test_an_odd_pace_is_refused(face: Face, scale: float) -> None:
    with pytest.raises(InvalidRequest, match="length_scale"):
        await face.speak("One.", length_scale=scale)


async def test_a_text_that_cannot_be_spoken_is_refused(face: Face) -> None:
    with pytest.raises(InvalidRequest, match="nothing that can be spoken"):
        await face.speak("...")


async def test_a_models_bug_is_an_internal_error_without_details(face: Face, models: InProcessInference) -> None:
    models.functions["intent"] = lambda inputs, call: 1 / 0
    with pytest.raises(Internal) as caught:
        await face.understand("call mai")
    assert caught.value.message == "model intent: internal error"


async def test_our_own_bug_is_an_internal_error_without_details(
    face: Face, models: InProcessInference, caplog: pytest.LogCaptureFixture
) -> None:
    models.functions["intent"] = lambda inputs, call: {}
    with pytest.raises(Internal) as caught:
        await face.understand("call mai")
    assert caught.value.message == "internal error"
    assert "a bug in Understand, request " in caplog.text


async def test_a_callers_mistake_leaves_no_stack_trace(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidRequest):
        await face.understand("")
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_model_that_is_not_served_is_not_the_callers_mistake(face: Face, models: InProcessInference) -> None:
    del models.functions["intent"], models.functions["piper"]
    with pytest.raises(Unavailable, match="intent"):
        await face.understand("call mai")
    with pytest.raises(Unavailable, match="piper"):
        await face.speak("One.")


async def test_a_call_ends_at_its_callers_deadline(face: Face, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    with pytest.raises(DeadlineExceeded):
        await face.understand("call mai", timeout_s=0.3)
    await asyncio.wait_for(hold.left.wait(), 10)


async def test_the_time_that_is_left_is_passed_to_the_model(face: Face, models: InProcessInference) -> None:
    await face.understand("call mai", timeout_s=100)
    await face.understand("call mai") if face.name == "http" else None
    remaining = [asked.call.deadline_s for asked in models.asked]
    assert remaining[0] is not None
    # gRPC rounds a timeout up: 7.5 s were found to be 7.509.
    assert 97.5 < remaining[0] <= 100.1
    assert all(one is not None and 25 < one <= 30 for one in remaining[1:])


async def test_what_somebody_waits_for_goes_before_recordings(face: Face, models: InProcessInference) -> None:
    await face.understand_audio(wav(CALL))
    await face.transcribe(wav(CALL))
    priorities = {asked.model: asked.call.priority for asked in models.asked}
    assert priorities == {"voice_command": PRIORITY_INTERACTIVE, "vad": PRIORITY_BULK, "whisper": PRIORITY_BULK}


@pytest.mark.parametrize("name", ["grpc", "http"])
async def test_one_call_more_than_may_run_is_told_when_to_come_back(name: str, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    async with running(quick_settings(max_calls=1), models) as addresses:
        face = face_of(name, addresses)
        first = asyncio.create_task(face.understand("call mai"))
        await hold.entered.wait()
        with pytest.raises(TooMuch, match="1 calls are running, at most 1 may") as caught:
            await face.understand("call mai")
        assert caught.value.retry_after_s == 1.0
        hold.release.set()
        assert (await first)["decision"] == "execute"
        assert (await face.understand("call mai"))["decision"] == "execute"


@pytest.mark.parametrize("name", ["grpc", "http"])
async def test_transcriptions_leave_room_for_commands(name: str, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["vad"] = hold.before(models.functions["vad"])
    async with running(quick_settings(max_transcriptions=1), models) as addresses:
        face = face_of(name, addresses)
        first = asyncio.create_task(face.transcribe(wav(CALL)))
        await hold.entered.wait()
        with pytest.raises(TooMuch, match="1 transcriptions are running"):
            await face.transcribe(wav(CALL))
        assert (await face.understand("call mai"))["decision"] == "execute"
        hold.release.set()
        assert (await first)["text"] == "call mai"


@pytest.mark.parametrize("name", ["grpc", "http"])
async def test_audio_over_the_limit_is_told_both_numbers(name: str, models: InProcessInference) -> None:
    async with running(quick_settings(max_audio_bytes=100_000), models) as addresses:
        with pytest.raises(TooMuch, match="the audio has 100001 bytes, at most 100000 are taken"):
            await face_of(name, addresses).transcribe(b"R" * 100_001)
        with pytest.raises(TooMuch, match=r"\d{7}.*\d{6}"):
            await face_of(name, addresses).transcribe(b"R" * 5_000_000)


async def test_a_full_queue_fails_a_command_and_delays_a_recording(face: Face, models: InProcessInference) -> None:
    refusals = iter([TooMuch("Exceeds maximum queue size", 0.01)] * 3)

    def full_at_first(function):
        def answer(inputs, call):
            refusal = next(refusals, None)
            if refusal is not None:
                raise refusal
            return function(inputs, call)

        return answer

    models.functions["whisper"] = full_at_first(whisper)
    assert (await face.transcribe(wav(CALL)))["text"] == "call mai"
    models.functions["voice_command"] = lambda inputs, call: (_ for _ in ()).throw(TooMuch("full", 2.0))
    with pytest.raises(TooMuch) as caught:
        await face.understand_audio(wav(CALL))
    assert caught.value.retry_after_s == 2.0


@pytest.mark.parametrize("given", ["mine-1", None], ids=["given", "made"])
async def test_a_request_id_goes_along_and_comes_back(
    gateway: Addresses, models: InProcessInference, http: httpx.AsyncClient, channel: grpc.aio.Channel, given: str
) -> None:
    from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc

    headers = {} if given is None else {"x-conch-request-id": given}
    answer = await http.post("/understand", json={"text": "call mai"}, headers=headers)
    echoed = [answer.headers["x-conch-request-id"]]
    call = voice_pb2_grpc.VoiceStub(channel).Understand(
        voice_pb2.UnderstandRequest(text="call mai"), metadata=list(headers.items())
    )
    echoed.append(dict(await call.initial_metadata())["x-conch-request-id"])
    echoed.append(dict(await call.trailing_metadata())["x-conch-request-id"])
    assert echoed[1] == echoed[2]
    assert [asked.call.request_id for asked in models.asked] == echoed[:2]
    if given is None:
        assert echoed[0] != echoed[1]
    else:
        assert set(echoed) == {given}


@pytest.mark.parametrize("odd", ["a b", "x" * 129, 'quo"te'])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(http: httpx.AsyncClient, odd: str) -> None:
    answer = await http.post("/understand", json={"text": "call mai"}, headers={"x-conch-request-id": odd})
    assert answer.headers["x-conch-request-id"] != odd


async def test_the_tenant_is_passed_to_the_model(http: httpx.AsyncClient, models: InProcessInference) -> None:
    await http.post("/understand", json={"text": "call mai"}, headers={"x-conch-tenant": "factory-7"})
    assert models.asked[-1].call.tenant == "factory-7"


async def test_every_call_is_one_line_of_the_log(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="gateway.reception")
    await face.understand("call mai")
    with pytest.raises(InvalidRequest):
        await face.understand("")
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.reception"]
    assert len(lines) == 2
    assert lines[0].startswith(f"call face={face.name} method=Understand request_id=")
    assert " tenant=default outcome=ok seconds=" in lines[0]
    assert " outcome=InvalidRequest " in lines[1]


async def test_what_arrives_compressed_and_at_odd_rates_is_heard(face: Face) -> None:
    stereo = np.stack([said("call", "mai", rate=44100)] * 2, axis=1)
    for options in (
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "MP3", "subtype": "MPEG_LAYER_III"},
        {"subtype": "PCM_24"},
    ):
        assert (await face.transcribe(wav(stereo, 44100, **options)))["text"] == "call mai", options
    opus = wav(said("call", "mai", rate=48000), 48000, format="OGG", subtype="OPUS")
    assert (await face.transcribe(opus))["text"] == "call mai"
    assert (await face.transcribe(wav(said("call", "mai", rate=8000), 8000)))["text"] == "call mai"


def test_settings_have_a_manual_for_every_field() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_tests_audio_is_what_it_says() -> None:
    assert io.BytesIO(wav(said("call"))).read(4) == b"RIFF"
