"""Voice.Listen before a real Triton: Piper's speech, silence, noise, and a yes of half a second."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import jiwer
import numpy as np
import pytest

from conch.clients.triton import TritonInference
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.specs import SPEECH_RATE
from conch.stack.serving import Server
from tests.gateway.conftest import quick_settings, running
from tests.gateway.microphone import Microphone
from tests.gateway.opus_packets import packets

MODELS = ("whisper", "vad", "intent")

Spoken = Callable[[str], np.ndarray]


@pytest.fixture
async def real(serving: Callable[..., Server]) -> AsyncIterator[grpc.aio.Channel]:
    server = await asyncio.to_thread(serving, *MODELS)
    async with (
        TritonInference(server.grpc) as inference,
        running(quick_settings(), inference) as addresses,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        yield channel


def quiet(seconds: float) -> np.ndarray:
    """Not digital silence: a microphone always hisses a little."""
    hiss = np.random.default_rng(7).normal(0, 20, round(seconds * SPEECH_RATE))
    return hiss.astype(np.int16)


def around(speech: np.ndarray) -> np.ndarray:
    return np.concatenate([quiet(0.8), speech, quiet(1.2)])


async def paced(microphone: Microphone, pcm: np.ndarray, times: float) -> None:
    """As a device would, `times` as fast."""
    size = SPEECH_RATE // 5
    for start in range(0, len(pcm), size):
        await microphone.say(pcm[start : start + size])
        await asyncio.sleep(size / SPEECH_RATE / times)


def plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ")


async def test_a_spoken_command_is_heard_while_it_is_said_and_acted_on(real: grpc.aio.Channel, spoken: Spoken) -> None:
    text = "Please summon the cleaning team to the loading dock in the back of the large warehouse."
    microphone = await Microphone(real, language="en").open()
    await paced(microphone, around(spoken(text)), times=1.0)
    await microphone.close()
    assert microphone.kinds() == ["started", "speech_started", "final", "intent", "decision", "ended"]
    assert microphone.told("partial")
    (final,), (decision,) = microphone.told("final"), microphone.told("decision")
    assert jiwer.wer(plain(text), plain(final.text)) <= 0.25
    assert (decision.intent, decision.decision) == ("SUMMON_TEAM", pb.DECISION_EXECUTE)
    assert 0.3 < final.start_offset / SPEECH_RATE < 0.9
    assert final.words
    assert all(0 <= word.start_s <= word.end_s for word in final.words)


async def test_short_answers_survive_and_name_who_is_meant(real: grpc.aio.Channel, spoken: Spoken) -> None:
    contacts = [pb.Contact(name="John Baker"), pb.Contact(name="John Smith")]
    microphone = await Microphone(real, language="en", contacts=contacts).open()
    await microphone.say(around(spoken("Please call John.")))
    question = await microphone.until("decision")
    assert (question.intent, question.decision) == ("DIAL_PERSON", pb.DECISION_CONFIRM)
    await microphone.say(around(spoken("John Smith.")))
    answer = await microphone.until("decision")
    assert (answer.decision, list(answer.contacts)) == (pb.DECISION_EXECUTE, ["John Smith"])
    await microphone.say(around(spoken("Yes.")))
    await microphone.close()
    assert microphone.told("final")[-1].text.strip(" .!").lower() == "yes"


@pytest.mark.parametrize("rate", [8_000, 48_000])
async def test_other_rates_are_heard_too(real: grpc.aio.Channel, spoken: Spoken, rate: int) -> None:
    import soxr

    pcm = soxr.resample(around(spoken("Please summon the security team.")), SPEECH_RATE, rate)
    microphone = await Microphone(real, rate=rate, language="en").open()
    await microphone.say(pcm)
    await microphone.close()
    assert [one.intent for one in microphone.told("decision")] == ["SUMMON_TEAM"]


async def test_opus_is_heard_as_pcm_is(real: grpc.aio.Channel, spoken: Spoken) -> None:
    pcm = around(spoken("Please summon the security team to the main gate."))
    plain_one = await Microphone(real, device="plain", language="en").open()
    await plain_one.say(pcm)
    await plain_one.close()
    packed = await Microphone(real, device="packed", language="en", encoding=pb.AUDIO_ENCODING_OPUS).open()
    for at, packet in enumerate(packets(pcm, SPEECH_RATE, application="voip", bitrate=24_000)):
        if at % 25 != 20:
            await packed.send(packet, at * SPEECH_RATE // 50)
    await packed.close()
    assert plain(packed.told("final")[0].text) == plain(plain_one.told("final")[0].text) != ""
    assert packed.told("gap")
    assert [one.intent for one in packed.told("decision")] == ["SUMMON_TEAM"]


async def test_silence_and_noise_give_no_command(real: grpc.aio.Channel) -> None:
    noise = np.random.default_rng(3).normal(0, 1500, 20 * SPEECH_RATE).astype(np.int16)
    hum = (3000 * np.sin(2 * np.pi * 50 * np.arange(10 * SPEECH_RATE) / SPEECH_RATE)).astype(np.int16)
    microphone = await Microphone(real).open()
    await microphone.say(np.concatenate([quiet(20.0), noise, hum, np.zeros(10 * SPEECH_RATE, np.int16)]))
    await microphone.close()
    assert {"intent", "decision", "error"} & set(microphone.kinds()) == set()
    assert all(final.no_speech for final in microphone.told("final"))
    ended = microphone.events[-1].ended
    assert ended.received_to == ended.decided_to == 60 * SPEECH_RATE


async def test_sessions_side_by_side_are_all_decided(real: grpc.aio.Channel, spoken: Spoken) -> None:
    pcm = around(spoken("Please summon the security team."))

    async def session(number: int) -> list[str]:
        microphone = await Microphone(real, device=f"badge-{number}", language="en").open()
        await microphone.say(pcm)
        await microphone.close()
        return [one.intent for one in microphone.told("decision")]

    assert await asyncio.gather(*(session(number) for number in range(6))) == [["SUMMON_TEAM"]] * 6
