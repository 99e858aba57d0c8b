"""A device that sends Opus, a packet a message: the bridge counts samples by the packets' headers."""

import numpy as np

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from tests.bridge.wearable import eventually
from tests.gateway.opus_packets import packets

RATE, PACKET = 48_000, 960
TOLD = {"encoding": "opus", "rate": RATE}


def sent(count: int) -> list[bytes]:
    """Of one length, so that whoever takes them for PCM finds whole samples."""
    noise = np.random.default_rng(5).integers(-3000, 3000, count * PACKET).astype(np.int16)
    return packets(noise, RATE, vbr=0, bitrate=24_000)


def test_packets_that_repeat_change_places_and_go_missing_are_accounted_for(site):
    site.heard.decides = site.heard.acks = False
    watch, audio = site.wearing("watch-1"), sent(8)
    for number in (0, 1, 1, 3, 2, 6, 7):  # 4 and 5 never come
        watch.publish(audio[number], session="one", seq=number, offset=number * PACKET, **TOLD)
    eventually(lambda: "gap" in watch.names())
    eventually(lambda: bool(site.heard.calls) and len(site.heard.calls[0].chunks) == 6)

    gap, (call,) = watch.of("gap")[0], site.heard.calls
    assert (gap["start_offset"], gap["end_offset"]) == (4 * PACKET, 6 * PACKET)
    assert (call.open.encoding, call.open.sample_rate) == (pb.AUDIO_ENCODING_OPUS, RATE)
    assert [(chunk.offset // PACKET, chunk.data) for chunk in call.chunks] == [
        (number, audio[number]) for number in (0, 1, 2, 3, 6, 7)
    ]
    kinds = {kind: site.samples("watch-1", kind) for kind in ("received", "gap", "dropped", "sent")}
    assert kinds == {"received": 6 * PACKET, "gap": 2 * PACKET, "dropped": 0, "sent": 8 * PACKET}


def test_a_device_that_counts_nothing_is_counted_for_and_what_is_no_packet_is_refused(site):
    site.heard.decides = site.heard.acks = False
    watch, audio = site.wearing("watch-1"), sent(4)
    for payload in (audio[0], audio[1], b"\xff", audio[2]):
        watch.publish(payload, **TOLD)
    watch.publish(audio[3], encoding="opus", rate=44_100)
    eventually(lambda: bool(site.heard.calls) and len(site.heard.calls[0].chunks) == 3)
    eventually(lambda: len(watch.of("refused")) == 2)

    assert [chunk.offset for chunk in site.heard.calls[0].chunks] == [0, PACKET, 2 * PACKET]
    assert [event["reason"] for event in watch.of("refused")] == ["packet", "properties"]
    assert "44100, of Opus 8000" in watch.of("refused")[1]["message"]
