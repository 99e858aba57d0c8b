"""Voice.Listen where the microphone sends Opus, a packet a chunk: heard as PCM is, and every sample accounted for."""

from typing import Any

import grpc
import numpy as np
import pytest

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from tests.gateway.conftest import said
from tests.gateway.microphone import Microphone, pcm16
from tests.gateway.opus_packets import FRAME_S, packets

HEARD = ["started", "speech_started", "final", "intent", "decision", "ended"]


def opus(channel: grpc.aio.Channel, rate: int = 48_000, **opening: Any) -> Microphone:
    return Microphone(channel, rate=rate, encoding=pb.AUDIO_ENCODING_OPUS, **opening)


async def send_all(microphone: Microphone, sent: list[bytes], rate: int, without: frozenset[int] = frozenset()) -> None:
    for at, packet in enumerate(sent):
        if at not in without:
            await microphone.send(packet, at * round(FRAME_S * rate))


def gaps(microphone: Microphone) -> list[tuple[int, int]]:
    return [(gap.start_offset, gap.end_offset) for gap in microphone.told("gap")]


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
async def test_packets_are_heard_as_pcm_is(channel: grpc.aio.Channel, rate: int, channels: int) -> None:
    speech = pcm16(said("call", "mai", rate=rate))
    plain = await Microphone(channel, rate=rate, device="plain").open()
    await plain.say(speech)
    await plain.close()

    packed = await opus(channel, rate, channels=channels).open()
    sent = packets(np.repeat(speech, channels), rate, channels=channels)
    await send_all(packed, sent, rate)
    await packed.close()

    finals, wanted = packed.told("final"), plain.told("final")
    assert [final.text for final in finals] == [final.text for final in wanted] == ["call", "mai"]
    for one, other in zip(finals, wanted, strict=True):
        assert one.start_offset / rate == pytest.approx(other.start_offset / rate, abs=0.1)
        assert one.end_offset / rate == pytest.approx(other.end_offset / rate, abs=0.1)
    ended = packed.events[-1].ended
    assert ended.received_to == ended.decided_to == len(sent) * round(FRAME_S * rate)


async def test_lost_packets_are_told_and_what_is_around_them_is_heard(channel: grpc.aio.Channel) -> None:
    sent = packets(pcm16(said("summon", rate=48_000)), 48_000)
    microphone = await opus(channel).open()
    await send_all(microphone, sent, 48_000, frozenset({50, 57, 58}))
    await microphone.close()

    assert microphone.kinds("audio_ack", "partial", "gap") == HEARD
    assert microphone.told("final")[0].text == "summon"
    assert gaps(microphone) == [(48_000, 48_960), (54_720, 56_640)]
    assert microphone.events[-1].ended.decided_to == len(sent) * 960


async def test_packets_that_come_again_or_late_are_heard_once(channel: grpc.aio.Channel) -> None:
    sent = packets(pcm16(said("summon", rate=48_000)), 48_000)
    microphone = await opus(channel).open()
    for at, packet in enumerate(sent):
        await microphone.send(packet, at * 960)
        if at % 3 == 0:
            await microphone.send(packet, at * 960)
    await microphone.close()

    assert microphone.kinds() == HEARD
    assert microphone.told("final")[0].text == "summon"
    assert microphone.events[-1].ended.decided_to == len(sent) * 960


@pytest.mark.parametrize(
    "corrupt", [b"", b"\x03", b"\x49\x00\x00\x00"], ids=["empty", "no length", "longer than its bytes"]
)
async def test_a_corrupt_packet_is_an_error_and_a_gap(channel: grpc.aio.Channel, corrupt: bytes) -> None:
    sent = packets(pcm16(said("summon", rate=48_000)), 48_000)
    sent[55] = corrupt
    microphone = await opus(channel).open()
    await send_all(microphone, sent, 48_000)
    await microphone.close()

    (error,) = microphone.told("error")
    assert (error.utterance, error.code) == (-1, "INVALID_ARGUMENT")
    assert error.message.startswith(f"the chunk of {len(corrupt)} bytes is no Opus packet")
    assert microphone.told("final")[0].text == "summon"
    assert gaps(microphone) == [(55 * 960, 56 * 960)]
    assert microphone.events[-1].ended.decided_to == len(sent) * 960


async def test_after_a_long_gap_the_stream_is_heard_anew(channel: grpc.aio.Channel) -> None:
    sent = packets(pcm16(said("summon", rate=48_000)), 48_000)
    microphone = await opus(channel).open()
    await send_all(microphone, sent, 48_000)
    for at, packet in enumerate(sent):
        await microphone.send(packet, 48_000 * 60 + at * 960)
    await microphone.close()

    assert [final.text for final in microphone.told("final")] == ["summon", "summon"]
    assert gaps(microphone) == [(len(sent) * 960, 48_000 * 60)]


async def test_a_rate_that_the_offsets_belie_shows_as_gaps_that_balance(channel: grpc.aio.Channel) -> None:
    """Declared as 16 kHz, and counted as what it is: each packet's 320 samples begin 960 after the last one's."""
    sent = packets(pcm16(said("summon", rate=48_000)), 48_000)
    microphone = await opus(channel, 16_000).open()
    await send_all(microphone, sent, 48_000)
    await microphone.close()

    assert gaps(microphone) == [(at * 960 + 320, at * 960 + 960) for at in range(len(sent) - 1)]
    assert microphone.events[-1].ended.received_to == (len(sent) - 1) * 960 + 320
