"""Voice.Listen: a microphone that says tones, and what it is told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest

from conch.clients.inference import text_column
from conch.clients.inprocess import Asked, InProcessInference
from conch.contracts.errors import Internal, InvalidRequest, Unavailable
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.specs import PRIORITY_BULK, PRIORITY_INTERACTIVE, SPEECH_RATE
from gateway.listening.listening import DEFAULT_BOUNDS
from tests.gateway.conftest import Hold, heard, quick_settings, running, said, silence, tone, whisper
from tests.gateway.microphone import Microphone, pcm16

HEARD = ["started", "speech_started", "final", "intent", "decision", "ended"]


@pytest.fixture
async def microphone(channel: grpc.aio.Channel) -> Microphone:
    return await Microphone(channel, session="monday").open()


async def test_a_spoken_command_is_told_final_then_intent_then_decision(microphone: Microphone) -> None:
    await microphone.say(said("summon"))
    await microphone.close()
    assert microphone.kinds() == HEARD
    (final,), (intent,), (decision,) = map(microphone.told, ("final", "intent", "decision"))
    assert (final.text, final.no_speech, final.end_reason) == ("summon", "", pb.END_REASON_ENDPOINT)
    assert [word.text for word in final.words] == ["summon"]
    assert final.scores.avg_logprob == -0.25
    assert (intent.intent, round(intent.confidence, 3), len(intent.scores)) == ("SUMMON_TEAM", 0.875, 3)
    assert (decision.decision, decision.intent, decision.text) == (pb.DECISION_EXECUTE, "SUMMON_TEAM", "summon")
    assert decision.reply.startswith("Summoning")
    assert (decision.start_offset, decision.end_offset) == (final.start_offset, final.end_offset)
    assert final.start_offset / SPEECH_RATE == pytest.approx(0.4, abs=0.04)
    assert final.end_offset / SPEECH_RATE == pytest.approx(1.7, abs=0.04)


async def test_partials_come_while_somebody_speaks(microphone: Microphone) -> None:
    await microphone.say(said("call", "mai", "help", pause_s=0.3, each_s=0.8)[: round(3.4 * SPEECH_RATE)])
    first = await microphone.until("partial")
    assert first.text.startswith("call")
    assert not microphone.told("final")
    await microphone.close()
    assert microphone.told("final")[0].text == "call mai help"
    kinds = microphone.kinds("audio_ack")
    assert "partial" not in kinds[kinds.index("final") :]


async def test_partials_are_bulk_and_finals_are_not(microphone: Microphone, models: InProcessInference) -> None:
    await microphone.say(said("summon", each_s=1.5))
    await microphone.close()
    asked = [one.call.priority for one in models.asked if one.model == "whisper"]
    assert asked[-1] == PRIORITY_INTERACTIVE
    assert set(asked[:-1]) <= {PRIORITY_BULK}


async def test_a_slow_recogniser_costs_partials_and_never_a_final(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    hold = Hold()

    async def slow_in_bulk(inputs: Any, call: Any) -> Any:
        if call.priority == PRIORITY_BULK:
            return await hold.before(whisper)(inputs, call)
        return whisper(inputs, call)

    models.functions["whisper"] = slow_in_bulk
    microphone = await Microphone(channel).open()
    await microphone.say(said("call", "mai", each_s=2.0))
    await microphone.close()
    assert [final.text for final in microphone.told("final")] == ["call", "mai"]
    assert hold.left.is_set()
    assert not microphone.told("partial")


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
async def test_any_rate_and_stereo_are_heard(channel: grpc.aio.Channel, rate: int, channels: int) -> None:
    microphone = await Microphone(channel, rate=rate, channels=channels).open()
    pcm = pcm16(said("summon", rate=rate))
    await microphone.send(np.repeat(pcm, channels).tobytes(), 0)
    await microphone.close()
    (final,) = microphone.told("final")
    assert (final.text, final.start_offset / rate) == ("summon", pytest.approx(0.4, abs=0.04))
    assert microphone.events[-1].ended.received_to == len(pcm)


async def test_mulaw_is_heard(channel: grpc.aio.Channel) -> None:
    from gateway.listening import formats

    microphone = await Microphone(channel, rate=8000, encoding=pb.AUDIO_ENCODING_MULAW).open()
    pcm = pcm16(said("summon", rate=8000)).astype(int)
    codes = np.abs(formats._MULAW.astype(int)[np.newaxis] - pcm[:, np.newaxis]).argmin(axis=1).astype(np.uint8)
    await microphone.send(codes.tobytes(), 0)
    await microphone.close()
    assert microphone.told("final")[0].text == "summon"


@pytest.mark.parametrize(
    "samples",
    [silence(5.0), np.random.default_rng(1).normal(0, 0.01, 5 * SPEECH_RATE).astype(np.float32), tone(300, 0.05)],
    ids=["silence", "noise", "a click"],
)
async def test_what_nobody_said_gives_nothing(microphone: Microphone, samples: Any) -> None:
    await microphone.say(samples)
    assert {event.WhichOneof("event") for event in await microphone.close()} <= {"started", "audio_ack", "ended"}
    ended = microphone.events[-1].ended
    assert ended.received_to == ended.decided_to == len(samples)


@pytest.mark.parametrize("reason", ["silence", "no_speech", "low_confidence", "loop"])
async def test_speech_without_text_is_a_final_with_its_reason_and_no_intent(
    microphone: Microphone, models: InProcessInference, reason: str
) -> None:
    nothing = {"pcm16": np.zeros((1, 1600), np.int16)}
    models.functions["whisper"] = lambda inputs, call: {**whisper(nothing, call), "rejected": text_column(reason)}
    await microphone.say(said("summon"))
    await microphone.close()
    assert microphone.kinds() == ["started", "speech_started", "final", "ended"]
    assert (microphone.told("final")[0].text, microphone.told("final")[0].no_speech) == ("", reason)


async def test_marks_without_a_letter_are_no_command(microphone: Microphone, models: InProcessInference) -> None:

    models.functions["whisper"] = lambda inputs, call: {**whisper(inputs, call), "text": text_column("... ♪")}
    await microphone.say(said("summon"))
    await microphone.close()
    assert microphone.kinds() == ["started", "speech_started", "final", "ended"]
    assert microphone.told("final")[0].no_speech == "no_speech"


async def test_who_closes_in_the_middle_of_a_word_is_decided(microphone: Microphone) -> None:
    await microphone.say(said("summon")[: round(1.3 * SPEECH_RATE)])
    await microphone.close()
    assert microphone.kinds() == HEARD
    assert microphone.told("final")[0].end_reason == pb.END_REASON_CLOSED


async def test_who_never_stops_is_cut(models: InProcessInference) -> None:
    async with (
        running(quick_settings(listen_longest_s=2.0), models) as addresses,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        microphone = await Microphone(channel).open()
        await microphone.say(np.concatenate([tone(300, 5.0), silence(1.0)]))
        await microphone.close()
    reasons = [final.end_reason for final in microphone.told("final")]
    assert reasons[:-1] == [pb.END_REASON_TOO_LONG] * (len(reasons) - 1)
    assert len(reasons) > 2
    finals = microphone.told("final")
    assert [one.end_offset for one in finals[:-1]] == [one.start_offset for one in finals[1:]]


async def test_audio_is_acknowledged_and_an_utterance_only_with_its_decision(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    microphone = await Microphone(channel).open()
    samples = np.concatenate([said("summon"), silence(2.0)])
    await microphone.say(samples)
    await hold.entered.wait()
    ack = await microphone.until("audio_ack")
    while ack.received_to < len(samples):
        ack = await microphone.until("audio_ack")
    assert ack.decided_to == microphone.told("final")[0].start_offset
    hold.release.set()
    await microphone.until("decision")
    assert (await microphone.until("audio_ack")).decided_to > microphone.told("final")[0].end_offset
    await microphone.close()
    acks = [(ack.decided_to, ack.received_to) for ack in microphone.told("audio_ack")]
    assert all(decided <= received for decided, received in acks)
    assert acks == sorted(acks)


async def test_duplicates_and_overlaps_change_nothing(channel: grpc.aio.Channel, microphone: Microphone) -> None:
    pcm = pcm16(said("summon"))
    for start in range(0, len(pcm), 3200):
        from_ = max(start - 1000, 0)
        await microphone.send(pcm[from_ : start + 3200].tobytes(), from_)
        await microphone.send(pcm[start : start + 3200].tobytes(), start)
    await microphone.close()
    plain = await Microphone(channel, session="tuesday").open()
    await plain.say(pcm)
    await plain.close()
    assert microphone.kinds() == HEARD
    assert microphone.told("final") == plain.told("final")


async def test_a_gap_is_told_and_offsets_stay_true(microphone: Microphone) -> None:
    pcm = pcm16(said("summon", "call"))
    lost = slice(28_000, 36_000)
    await microphone.send(pcm[: lost.start].tobytes(), 0)
    await microphone.send(pcm[lost.stop :].tobytes(), lost.stop)
    await microphone.close()
    (gap,) = microphone.told("gap")
    assert (gap.start_offset, gap.end_offset) == (lost.start, lost.stop)
    second = microphone.told("final")[1]
    assert (second.text, second.start_offset / SPEECH_RATE) == ("call", pytest.approx(2.6, abs=0.04))
    assert microphone.events[-1].ended.received_to == len(pcm)


async def test_a_long_gap_ends_the_utterance_and_nothing_stands_in_for_it(
    microphone: Microphone, models: InProcessInference
) -> None:
    pcm, far = pcm16(said("summon")), 3600 * SPEECH_RATE
    await microphone.send(pcm[:20_000].tobytes(), 0)
    await microphone.send(pcm.tobytes(), far)
    await microphone.close()
    first, second = microphone.told("final")
    assert (first.end_reason, first.end_offset) == (pb.END_REASON_STALLED, 20_000)
    assert (second.start_offset - far) / SPEECH_RATE == pytest.approx(0.4, abs=0.04)
    assert sum(one.inputs["pcm"].shape[1] for one in models.asked if one.model == "vad") < 5 * SPEECH_RATE
    assert microphone.events[-1].ended.received_to == far + len(pcm)


@pytest.mark.parametrize(
    ("data", "offset", "complaint"),
    [
        (b"\0" * 3, 0, "3 bytes, 1 more than whole samples of 2"),
        (b"\0" * 2**20, 0, "524288 samples, at most 160000"),
        (b"\0" * 320, -1, "offset is -1"),
        (b"\0" * 320, 2**62, "ahead"),
    ],
    ids=["odd", "a megabyte", "negative", "beyond reason"],
)
async def test_a_bad_chunk_is_an_error_and_the_session_goes_on(
    microphone: Microphone, data: bytes, offset: int, complaint: str
) -> None:
    await microphone.send(data, offset)
    error = await microphone.until("error")
    assert (error.utterance, error.code) == (-1, "INVALID_ARGUMENT")
    assert complaint in error.message
    await microphone.say(said("summon"))
    await microphone.close()
    assert microphone.kinds("audio_ack", "partial", "error") == HEARD


async def test_empty_chunks_and_random_bytes_do_no_harm(microphone: Microphone) -> None:
    await microphone.send(b"", 0)
    await microphone.say(np.frombuffer(np.random.default_rng(2).bytes(64_000), np.int16))
    await microphone.say(np.concatenate([silence(1.5), said("summon")]))
    await microphone.close()
    assert [one.text for one in microphone.told("final")][-1] == "summon"
    assert not microphone.told("error")


async def test_a_damaged_message_is_an_error_of_its_own(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream("/conch.voice.v1.Voice/Listen", response_deserializer=pb.ListenEvent.FromString)()
    opening = pb.ListenOpen(device="badge-1", sample_rate=SPEECH_RATE)
    await call.write(pb.ListenRequest(open=opening).SerializeToString())
    await call.write(b"\xff\xff\xff")
    await call.write(b"")
    await call.write(pb.ListenRequest(open=opening).SerializeToString())
    await call.done_writing()
    errors = [event.error.message async for event in call if event.HasField("error")]
    assert [error.split(":")[0] for error in errors] == [
        "the request of 3 bytes is no message of Listen",
        "the message is empty",
        "a session is opened once",
    ]
    assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("opening", "code", "complaint"),
    [
        ({"device": ""}, grpc.StatusCode.INVALID_ARGUMENT, "device has 0 characters"),
        ({"device": "a b\n"}, grpc.StatusCode.INVALID_ARGUMENT, "device has 4 characters"),
        ({"session": "x" * 129}, grpc.StatusCode.INVALID_ARGUMENT, "session has 129 characters"),
        ({"tenant": "globex"}, grpc.StatusCode.PERMISSION_DENIED, "the caller's is 'default'"),
        ({"sample_rate": 4000}, grpc.StatusCode.INVALID_ARGUMENT, "sample_rate is 4000"),
        ({"channels": 3}, grpc.StatusCode.INVALID_ARGUMENT, "channels is 3"),
        (
            {"encoding": pb.AUDIO_ENCODING_OPUS, "sample_rate": 44_100},
            grpc.StatusCode.INVALID_ARGUMENT,
            "sample_rate is 44100, of Opus",
        ),
        ({"encoding": 7}, grpc.StatusCode.INVALID_ARGUMENT, "encoding is 7"),
        ({"language": "xx"}, grpc.StatusCode.NOT_FOUND, "language xx"),
        ({"prompt": "x" * 1025}, grpc.StatusCode.RESOURCE_EXHAUSTED, "the prompt has 1025 bytes"),
        ({"contacts": [pb.Contact()]}, grpc.StatusCode.INVALID_ARGUMENT, r"contacts[0] is empty"),
        ({"resume_offset": -1}, grpc.StatusCode.INVALID_ARGUMENT, "resume_offset is -1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_session_that_cannot_be_is_refused_when_it_is_opened(
    channel: grpc.aio.Channel, opening: dict[str, Any], code: grpc.StatusCode, complaint: str
) -> None:
    microphone = Microphone(channel, **opening)
    with pytest.raises(grpc.aio.AioRpcError):
        await microphone.open()
    assert await microphone.code() is code
    assert complaint in await microphone.details()


async def test_a_stream_that_begins_with_audio_is_refused(channel: grpc.aio.Channel) -> None:
    microphone = Microphone(channel)
    await microphone.send(b"\0\0", 0)
    with pytest.raises(grpc.aio.AioRpcError):
        await microphone.close()
    assert await microphone.code() is grpc.StatusCode.INVALID_ARGUMENT


CONTACTS = [pb.Contact(name="Mai Lan"), pb.Contact(name="Mai Anh")]
SAID = {300: "call mai", 500: "yes", 700: "no", 900: "mai anh", 1100: "summon the cleaning team to aisle 5"}


def says(models: InProcessInference, said: dict[int, str] = SAID) -> None:
    """Makes the recogniser hear whole sentences in tones."""
    from tests.gateway.conftest import WORDS

    by_word = {WORDS[frequency]: sentence for frequency, sentence in said.items()}

    def recognise(inputs: Any, call: Any) -> Any:
        answer = whisper(inputs, call)
        return {**answer, "text": text_column(by_word.get(str(answer["text"][0, 0]).strip(), ""))}

    models.functions["whisper"] = recognise


async def asked(channel: grpc.aio.Channel, models: InProcessInference, **opening: Any) -> tuple[Microphone, Any]:
    """A session in which it was asked whom to call."""
    says(models)
    microphone = await Microphone(channel, language="en", contacts=CONTACTS, **opening).open()
    await microphone.say(said("call"))
    return microphone, await microphone.until("decision")


async def test_an_ambiguous_name_is_asked_about_and_the_answer_names_one(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    microphone, question = await asked(channel, models)
    assert (question.decision, question.reply) == (pb.DECISION_CONFIRM, "Did you mean Mai Anh or Mai Lan?")
    await microphone.say(said("team"))
    decision = await microphone.until("decision")
    assert (decision.decision, list(decision.contacts)) == (pb.DECISION_EXECUTE, ["Mai Anh"])
    assert (decision.utterance, decision.command_id) == (1, question.command_id)
    assert (decision.start_offset, decision.end_offset) == (question.start_offset, question.end_offset)
    assert decision.text == "call mai"
    await microphone.close()
    assert microphone.kinds("audio_ack", "partial", "started", "speech_started")[3:] == ["final", "decision", "ended"]


async def test_no_ends_it(channel: grpc.aio.Channel, models: InProcessInference) -> None:
    microphone, question = await asked(channel, models)
    await microphone.say(said("weather"))
    decision = await microphone.until("decision")
    assert (decision.decision, decision.command_id) == (pb.DECISION_IGNORE, question.command_id)
    assert decision.reason == "the answer was no"
    await microphone.say(said("summon"))
    assert (await microphone.until("decision")).command_id != question.command_id


async def test_another_command_calls_the_question_off(channel: grpc.aio.Channel, models: InProcessInference) -> None:
    microphone, question = await asked(channel, models)
    await microphone.say(said("mai"))
    await microphone.close()
    _, called_off, decision = microphone.told("decision")
    assert (called_off.decision, called_off.command_id) == (pb.DECISION_IGNORE, question.command_id)
    assert (decision.decision, decision.place) == (pb.DECISION_EXECUTE, "aisle 5")


async def test_a_question_that_nobody_answers_is_called_off(models: InProcessInference) -> None:
    async with (
        running(quick_settings(listen_answer_s=0.3), models) as addresses,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        microphone, question = await asked(channel, models)
        decision = await microphone.until("decision")
        assert (decision.decision, decision.reason) == (pb.DECISION_IGNORE, "no answer within 0.3 s")
        assert (decision.command_id, decision.reply) == (
            question.command_id,
            "I heard no answer, so I will not do it.",
        )


async def test_a_session_that_ends_calls_its_question_off(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    microphone, question = await asked(channel, models)
    await microphone.close()
    last = microphone.told("decision")[-1]
    assert (last.decision, last.reason, last.command_id, last.reply) == (
        pb.DECISION_IGNORE,
        "the session has ended",
        question.command_id,
        "I heard no answer, so I will not do it.",
    )


async def test_a_yes_that_was_said_before_the_question_answers_nothing(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    says(models)
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    microphone = await Microphone(channel, language="en", contacts=CONTACTS[:1]).open()
    await microphone.say(said("call", "summon"))
    await hold.entered.wait()
    while (await microphone.until("audio_ack")).received_to < microphone.offset:
        pass
    hold.release.set()
    await microphone.until("decision")
    second = await microphone.until("decision")
    assert second.command_id != microphone.told("decision")[0].command_id
    assert second.decision == pb.DECISION_FORWARD


async def test_a_resumed_session_goes_on_at_its_offset_and_has_the_same_command_ids(channel: grpc.aio.Channel) -> None:
    samples = np.concatenate([said("summon"), said("call")])
    whole = await Microphone(channel, session="monday").open()
    await whole.say(samples)
    await whole.close()
    first_end = whole.told("decision")[0].end_offset
    resume = first_end // 512 * 512
    resumed = await Microphone(channel, session="monday", resume_offset=resume).open()
    await resumed.say(samples[resume:])
    await resumed.close()
    assert [one.command_id for one in resumed.told("decision")] == [whole.told("decision")[1].command_id]
    other = await Microphone(channel, session="tuesday", resume_offset=resume).open()
    await other.say(samples[resume:])
    await other.close()
    assert other.told("decision")[0].command_id != whole.told("decision")[1].command_id


async def test_a_session_that_is_opened_again_breaks_the_stream_before(channel: grpc.aio.Channel) -> None:
    before = await Microphone(channel, session="monday").open()
    after = await Microphone(channel, session="monday").open()
    with pytest.raises(grpc.aio.AioRpcError):
        await before.close()
    assert await before.code() is grpc.StatusCode.CANCELLED
    await after.say(said("summon"))
    await after.close()
    assert after.kinds() == HEARD


async def test_a_stalled_utterance_ends_and_the_session_goes_on(models: InProcessInference) -> None:
    async with (
        running(quick_settings(listen_stall_s=0.3), models) as addresses,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        microphone = await Microphone(channel).open()
        await microphone.say(said("summon")[: round(1.3 * SPEECH_RATE)])
        final = await microphone.until("final")
        assert (final.text, final.end_reason) == ("summon", pb.END_REASON_STALLED)
        await microphone.say(said("call"))
        await microphone.close()
        assert [one.text for one in microphone.told("final")] == ["summon", "call"]


async def test_an_idle_session_ends(models: InProcessInference) -> None:
    async with (
        running(quick_settings(listen_idle_s=0.3), models) as addresses,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        microphone = await Microphone(channel).open()
        assert (await microphone.until("ended")).reason == "no audio came for 0.3 s"
        assert await microphone.code() is grpc.StatusCode.OK


async def test_sessions_are_bounded_and_hold_no_place_of_other_calls(models: InProcessInference) -> None:
    async with (
        running(quick_settings(max_calls=1, max_listen_sessions=2), models) as addresses,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        sessions = [await Microphone(channel).open() for _ in range(2)]
        with pytest.raises(grpc.aio.AioRpcError):
            await (third := Microphone(channel)).open()
        assert await third.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "2 sessions are running, at most 2 may" in await third.details()
        await sessions[0].close()
        await (await Microphone(channel).open()).close()


async def test_a_gateway_that_ends_decides_what_was_said(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["whisper"] = hold.before(whisper)
    stop = running(quick_settings(listen_partial_every_s=60.0), models)
    addresses = await stop.__aenter__()
    async with grpc.aio.insecure_channel(addresses.grpc) as channel:
        microphone = await Microphone(channel).open()
        await microphone.say(said("summon"))
        await hold.entered.wait()
        stopping = asyncio.create_task(stop.__aexit__(None, None, None))
        hold.release.set()
        ended = await microphone.until("ended")
        assert ended.reason == "the gateway is ending: open the session again"
        assert microphone.kinds() == HEARD
        await stopping


@pytest.fixture(params=["vad", "whisper", "intent"])
def model(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    return request.param


async def test_a_server_that_is_away_for_a_moment_loses_nothing(
    channel: grpc.aio.Channel, models: InProcessInference, model: str
) -> None:
    function, failures = models.functions[model], [1]

    def fails_once(inputs: Any, call: Any) -> Any:
        if failures and call.priority == PRIORITY_INTERACTIVE:
            failures.pop()
            raise Unavailable("restarting")
        return function(inputs, call)

    models.functions[model] = fails_once
    microphone = await Microphone(channel).open()
    await microphone.say(said("summon"))
    await microphone.close()
    assert microphone.kinds() == HEARD


@pytest.mark.parametrize("error", [InvalidRequest("no"), Internal("bug")], ids=["refused", "a bug"])
async def test_what_is_wrong_with_one_utterance_is_told_and_the_next_is_decided(
    channel: grpc.aio.Channel, models: InProcessInference, error: Exception
) -> None:
    def fails(inputs: Any, call: Any) -> Any:
        if heard(inputs["pcm16"][0]) == "summon":
            raise error
        return whisper(inputs, call)

    models.functions["whisper"] = fails
    microphone = await Microphone(channel).open()
    await microphone.say(said("summon", "call"))
    await microphone.close()
    assert [one.utterance for one in microphone.told("error")] == [0]
    assert [one.text for one in microphone.told("final")] == ["call"]
    assert microphone.events[-1].ended.decided_to == microphone.offset


async def test_a_caller_who_leaves_cancels_what_runs(channel: grpc.aio.Channel, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["whisper"] = hold.before(whisper)
    microphone = await Microphone(channel).open()
    await microphone.say(said("summon"))
    await hold.entered.wait()
    await microphone.leave()
    await asyncio.wait_for(hold.left.wait(), 10)


async def test_the_final_is_asked_for_in_the_silence_that_has_yet_to_end_the_utterance(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    microphone = await Microphone(channel).open()
    await microphone.say(said("summon", pause_s=1.6), chunk_s=0.05)
    await microphone.close()
    finals = [one.inputs["pcm16"].shape[1] for one in models.asked if one.model == "whisper" and interactive(one)]
    (final,) = microphone.told("final")
    assert finals == [final.end_offset - final.start_offset]
    order = [one.model for one in models.asked if interactive(one)]
    assert "vad" in order[order.index("whisper") : order.index("intent")]


async def test_a_tenant_with_a_limit_of_audio_pays_for_each_utterance_once(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    call = channel.stream_stream(
        "/conch.voice.v1.Voice/Listen",
        request_serializer=pb.ListenRequest.SerializeToString,
        response_deserializer=pb.ListenEvent.FromString,
    )(metadata=(("x-conch-audio-seconds-per-day", "60"),))
    await call.write(pb.ListenRequest(open=pb.ListenOpen(device="badge-1", sample_rate=SPEECH_RATE)))
    pcm = pcm16(said("call", "mai", pause_s=0.5, each_s=0.8))
    for start in range(0, len(pcm), 1600):
        chunk = pb.AudioChunk(data=pcm[start : start + 1600].tobytes(), offset=start)
        await call.write(pb.ListenRequest(audio=chunk))
    await call.done_writing()
    finals = [event.final async for event in call if event.HasField("final")]
    held = [one for one in models.asked if one.model == "whisper" and one.call.audio_seconds_per_day is not None]
    assert len(held) == len(finals) == 1


def interactive(asked: Asked) -> bool:
    return asked.call.priority == PRIORITY_INTERACTIVE


async def test_who_sends_faster_than_we_hear_has_to_wait(channel: grpc.aio.Channel, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["vad"] = hold.before(models.functions["vad"])
    microphone = await Microphone(channel).open()
    much = asyncio.create_task(microphone.say(np.concatenate([silence(120.0), said("summon")]), chunk_s=5.0))
    await hold.entered.wait()
    most = 0
    for _ in range(3):
        most = (await microphone.until("audio_ack")).received_to
        if most >= DEFAULT_BOUNDS.buffer_s * SPEECH_RATE:
            break
    assert most <= (DEFAULT_BOUNDS.buffer_s + 3 * 5.0) * SPEECH_RATE
    hold.release.set()
    await much
    await microphone.close()
    assert microphone.kinds() == HEARD
