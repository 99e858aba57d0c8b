"""What only a stream has: answers while work goes on, and a caller who leaves."""

import asyncio
import gc
from types import FrameType

import grpc
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1.voice_pb2_grpc import VoiceStub
from gateway.rpc.voice import Voice
from tests.gateway.conftest import Hold, said, wav, whisper


async def test_segments_come_while_the_rest_is_being_recognised(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    hold, seen = Hold(), []

    async def hold_the_second(inputs, call):
        answer = whisper(inputs, call)
        seen.append(str(answer["text"][0, 0]).strip())
        return await hold.before(whisper)(inputs, call) if seen[-1] == "mai" else answer

    models.functions["whisper"] = hold_the_second
    call = VoiceStub(channel).Transcribe(pb.TranscribeRequest(audio=wav(said("call", "mai"))))
    events = aiter(call)
    kinds = [(await anext(events)).WhichOneof("event")]
    while kinds[-1] != "segment":
        kinds.append((await anext(events)).WhichOneof("event"))
    assert kinds[0] == "audio"
    assert not hold.release.is_set()
    hold.release.set()
    rest = [event async for event in events]
    assert [event.segment.text for event in rest if event.HasField("segment")] == ["mai"]
    assert rest[-1].summary.text == "call mai"


async def test_a_sentence_comes_before_the_next_one_is_made(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    go_on = asyncio.Event()
    speak = models.functions["piper"]

    async def one_by_one(inputs, call):
        for index, sentence in enumerate(speak(inputs, call)):
            if index:
                await go_on.wait()
            yield sentence

    models.functions["piper"] = one_by_one
    events = aiter(VoiceStub(channel).Speak(pb.SpeakRequest(text="One. Three.")))
    assert (await anext(events)).pcm16[:2] == b"\x03\x00"
    go_on.set()
    assert [reply.pcm16[:2] async for reply in events] == [b"\x05\x00"]


@pytest.mark.parametrize(
    ("model", "method", "request_"),
    [
        ("whisper", "Transcribe", pb.TranscribeRequest(audio=wav(said("call")))),
        ("voice_command", "Understand", pb.UnderstandRequest(audio=wav(said("call")))),
        ("intent", "Understand", pb.UnderstandRequest(text="call mai")),
    ],
    ids=["transcribe", "understand audio", "understand text"],
)
async def test_a_caller_who_leaves_cancels_the_models_call(
    channel: grpc.aio.Channel, models: InProcessInference, model: str, method: str, request_: object
) -> None:
    hold = Hold()
    models.functions[model] = hold.before(models.functions[model])
    call = getattr(VoiceStub(channel), method)(request_)
    reading = asyncio.create_task(_last(call))
    await hold.entered.wait()
    call.cancel()
    await asyncio.wait_for(hold.left.wait(), 10)
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await reading


async def test_a_command_of_neither_kind_is_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await VoiceStub(channel).Understand(pb.UnderstandRequest())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_understood_command_tells_scores_and_stages(channel: grpc.aio.Channel) -> None:
    reply = await VoiceStub(channel).Understand(pb.UnderstandRequest(audio=wav(said("call"))))
    assert reply.decision == pb.DECISION_EXECUTE
    assert {score.intent: round(score.probability, 4) for score in reply.scores} == {
        "SUMMON_TEAM": 0.0625,
        "DIAL_PERSON": 0.875,
        "GENERAL_QUERY": 0.0625,
    }
    assert reply.recognition.avg_logprob == -0.25
    assert [stage.name for stage in reply.stages] == ["decode", "voice_command", "decide"]


@pytest.mark.parametrize(
    ("contacts", "decision", "meant"),
    [
        ([], pb.DECISION_EXECUTE, []),
        ([pb.Contact(name="Mai"), pb.Contact(name="John")], pb.DECISION_EXECUTE, ["Mai"]),
        ([pb.Contact(name="Wojciech", sounds_like=["Mai"])], pb.DECISION_EXECUTE, ["Wojciech"]),
        ([pb.Contact(name="Mai Lan"), pb.Contact(name="Mai Anh")], pb.DECISION_CONFIRM, ["Mai Anh", "Mai Lan"]),
        ([pb.Contact(name="John")], pb.DECISION_CONFIRM, []),
    ],
    ids=["no contacts", "one of them", "by another spelling", "one of two", "none of them"],
)
async def test_a_call_is_matched_with_the_contacts(
    channel: grpc.aio.Channel, contacts: list[pb.Contact], decision: int, meant: list[str]
) -> None:
    reply = await VoiceStub(channel).Understand(pb.UnderstandRequest(text="call mai", contacts=contacts))
    assert (reply.intent, reply.decision, list(reply.contacts)) == ("DIAL_PERSON", decision, meant)


async def test_a_summons_tells_team_and_place(channel: grpc.aio.Channel) -> None:
    reply = await VoiceStub(channel).Understand(pb.UnderstandRequest(text="summon the cleaning team to aisle 5"))
    assert (reply.intent, reply.team, reply.place) == ("SUMMON_TEAM", "cleaning team", "aisle 5")


@pytest.mark.parametrize(
    ("contacts", "complaint"),
    [
        ([pb.Contact(name="Mai")] * 501, "501 contacts, at most 500"),
        ([pb.Contact(name="Mai"), pb.Contact()], r"contacts\[1\] is empty"),
        ([pb.Contact(name="x" * 257)], r"contacts\[0\] has 257 bytes, at most 256"),
        ([pb.Contact(name="Mai", sounds_like=["My"] * 9)], r"contacts\[0\] has 9 other spellings, at most 8"),
    ],
    ids=["too many", "without a name", "a long name", "many spellings"],
)
async def test_contacts_have_bounds(channel: grpc.aio.Channel, contacts: list[pb.Contact], complaint: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=complaint):
        await VoiceStub(channel).Understand(pb.UnderstandRequest(text="call mai", contacts=contacts))


async def _last(call: object) -> object:
    if hasattr(call, "__aiter__"):
        return [reply async for reply in call][-1]
    return await call  # type: ignore[misc]


async def test_a_refused_request_is_let_go_at_once(channel: grpc.aio.Channel) -> None:
    """Refusals of 100 MB each must not wait for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError):
                await _last(VoiceStub(channel).Transcribe(pb.TranscribeRequest(audio=b"no audio")))
        await asyncio.sleep(0)
        kept = [
            one for one in gc.get_objects() if isinstance(one, FrameType) and one.f_code is Voice.Transcribe.__code__
        ]
        assert kept == []
    finally:
        gc.enable()
