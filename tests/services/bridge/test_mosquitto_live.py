"""What Mosquitto is set to do: who may say and hear what, what outlives it, which of its limits a bridge refuses."""

import socket
import ssl

import pytest

from tests.bridge.wearable import CHUNK, WITHIN_S, eventually, silence, speech


def test_a_device_can_neither_speak_as_another_nor_hear_what_another_is_told(site):
    thief, watch = site.wearing("watch-2"), site.wearing("watch-1")
    thief.listen_to("wearable/watch-1/events", "wearable/+/speech", "team/summon", "#")
    own, thief.topic = thief.topic, watch.topic
    thief.publish(speech())
    thief.topic = own
    for wearable in (watch, thief):
        wearable.publish(speech())
        wearable.publish(silence())
    eventually(lambda: "decision" in watch.names() and "decision" in thief.names() and bool(thief.speech))

    # Who of the two is heard first is up to the broker.
    first, second = sorted(site.heard.calls, key=lambda call: call.open.device)
    assert (first.open.device, second.open.device) == ("watch-1", "watch-2")
    assert (len(first.chunks), len(second.chunks)) == (2, 2)
    assert {event["session"] for event in thief.events} == {second.open.session}


def test_whoever_has_no_certificate_is_not_let_in(bare_site, broker):
    stranger = ssl.create_default_context(cafile=broker.credentials("default", "watch-1").authorities)
    for port in broker.ports:
        with pytest.raises(OSError, match=r"alert|reset|closed|EOF"):
            knock(port, stranger)


def test_a_device_is_not_let_in_at_the_bridges_door(bare_site, broker):
    own = broker.credentials("default", "watch-1")
    device = ssl.create_default_context(cafile=own.authorities)
    device.load_cert_chain(own.certificate, own.key)
    assert knock(broker.ports[0], device) == b"\x20\x02\x00\x00"
    with pytest.raises(OSError, match=r"alert|reset|closed|EOF"):
        knock(broker.ports[1], device)


def test_what_was_queued_when_the_broker_was_killed_comes_after_its_restart(site, broker):
    watch = site.wearing("watch-1")
    watch.numbered(silence(), "one", 0)
    eventually(lambda: site.samples("watch-1", "received") == CHUNK)
    assert site.end("bridge") == 0
    for number in range(1, 30):
        watch.numbered(speech(seed=number), "one", number)
    eventually(lambda: broker.saved_bytes > 29 * 2 * CHUNK)
    watch.close()
    site.kill("broker")
    site.start_broker()
    site.start_bridge()
    eventually(lambda: site.samples("watch-1", "received") == 30 * CHUNK)
    assert site.samples("watch-1", "gap") == 0


@pytest.mark.parametrize(
    ("directive", "value", "said"),
    [
        ("max_queued_messages", 100, "messages (broker_holds) that waited for us the broker has dropped"),
        ("message_size_limit", 100_000, "a message of 196608 bytes (max_chunk_bytes) does not come back"),
    ],
    ids=["a short queue", "small messages"],
)
def test_a_limit_that_would_drop_audio_without_a_word_keeps_a_bridge_from_starting(
    bare_site, broker, directive, value, said
):
    bare_site.kill("broker")
    broker.change(directive, value)
    bare_site.start_broker()
    assert said in bare_site.refused_to_start()


def test_mosquittos_own_twenty_messages_at_once_are_heeded_and_told(bare_site, broker):
    bare_site.kill("broker")
    broker.change("max_inflight_messages", 20)
    bare_site.start_broker()
    bare_site.start_bridge()
    assert "the broker takes 20 messages at once, not 200" in bare_site.log()


def knock(port: int, context: ssl.SSLContext) -> bytes:
    """What a client of MQTT 3.1.1 is answered that takes a bridge's name."""
    name = b"conch-bridge"
    connect = bytes([0x10, 12 + len(name), 0, 4, *b"MQTT", 4, 2, 0, 10, 0, len(name), *name])
    with (
        socket.create_connection(("127.0.0.1", port), WITHIN_S) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.sendall(connect)
        if not (answer := tls.recv(4)):
            raise ConnectionResetError("closed")
        return answer
