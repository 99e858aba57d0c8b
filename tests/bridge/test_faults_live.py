"""What breaks while somebody speaks: a command is acted on once, and every sample is accounted for.

A real broker, bridge and gateway, each a process that can be killed, and models that hear tones.
"""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bridge.chunk import Reason
from conch.contracts.specs import VAD_WINDOW
from tests.bridge.conftest import Site
from tests.bridge.desk import Desk, open_at
from tests.bridge.invariants import assert_acted_once, assert_balanced, assert_each_counted, assert_none_lost
from tests.bridge.proxy import Way, leading_to
from tests.bridge.wearable import CHUNK, Wearable, eventually, speech
from tests.gateway.conftest import said
from tests.gateway.microphone import pcm16

BEFORE = 6
"""Chunks up to the middle of the word."""

WORD = (round(0.8 * 16_000), round(1.4 * 16_000))


def chunks_of(*words: str) -> list[bytes]:
    data = pcm16(said(*words)).tobytes()
    return [data[at : at + 2 * CHUNK] for at in range(0, len(data), 2 * CHUNK)]


@pytest.fixture
def hearing(bare_site: Site) -> Site:
    """A gateway that hears tones; the test starts the bridge."""
    bare_site.gateway.stop()
    bare_site.start_gateway(listen_stall_s=30)
    return bare_site


@pytest.fixture
def desk(hearing: Site) -> Iterator[Desk]:
    with open_at(hearing.mqtt5) as desk:
        eventually(lambda: desk.is_open)
        yield desk


def say(watch: Wearable, chunks: list[bytes], first: int = 0, session: str = "one") -> None:
    """The last of them ends the session."""
    for number, chunk in enumerate(chunks[first:], first):
        last = {"last": "true"} if number == len(chunks) - 1 else {}
        watch.publish(chunk, session=session, seq=number, offset=number * CHUNK, **last)


def begin(site: Site, watch: Wearable, chunks: list[bytes]) -> None:
    for number, chunk in enumerate(chunks[:BEFORE]):
        watch.numbered(chunk, "one", number)
    eventually(lambda: "speech_started" in watch.names())
    eventually(lambda: site.samples("watch-1", "sent") == BEFORE * CHUNK)


def assert_heard_once(watch: Wearable, desk: Desk, samples: int) -> None:
    eventually(lambda: "account" in watch.names() and bool(watch.of("account")[-1]["sent"] == samples))
    account = watch.of("account")[-1]
    assert_balanced(account)
    assert (account["received"], account["gap"], account["dropped"]) == (samples, 0, 0)
    acted = assert_acted_once(watch.of("decision"))
    assert_none_lost([WORD], acted.values(), [])
    eventually(lambda: bool(desk.summons))
    assert [one["command_id"] for one in desk.summons] == list(acted)


@pytest.mark.parametrize("killed", ["gateway", "bridge", "broker"])
def test_a_command_is_acted_on_once_whatever_is_killed_in_the_middle_of_its_word(
    hearing: Site, desk: Desk, killed: str
) -> None:
    hearing.start_bridge(idle_s=30)
    watch, chunks = hearing.wearing("watch-1"), chunks_of("summon")
    begin(hearing, watch, chunks)
    hearing.kill(killed)
    if killed == "broker":
        eventually(lambda: hearing.metric("conch_bridge_connected") == 0)
    starts: dict[str, Callable[[], None]] = {
        "gateway": lambda: hearing.start_gateway(listen_stall_s=30),
        "bridge": lambda: hearing.start_bridge(idle_s=30),
        "broker": hearing.start_broker,
    }
    starts[killed]()
    eventually(lambda: hearing.metric("conch_bridge_connected") == 1 and desk.is_open)
    say(watch, chunks, BEFORE)
    assert_heard_once(watch, desk, len(chunks) * CHUNK)


@pytest.mark.parametrize("then", ["goes on", "breaks"])
def test_a_gateway_that_is_out_of_reach_for_a_while_costs_nothing(hearing: Site, desk: Desk, then: str) -> None:
    with leading_to(hearing.gateway.port) as proxy:
        hearing.start_bridge(idle_s=30, gateway_address=f"127.0.0.1:{proxy.port}")
        watch, chunks = hearing.wearing("watch-1"), chunks_of("summon")
        begin(hearing, watch, chunks)
        proxy.hold(*Way)
        say(watch, chunks, BEFORE)
        eventually(lambda: hearing.samples("watch-1", "sent") == len(chunks) * CHUNK)
        assert not watch.of("decision")
        if then == "breaks":
            proxy.cut()
        else:
            proxy.release()
        assert_heard_once(watch, desk, len(chunks) * CHUNK)
        assert [event["code"] for event in watch.of("error")] == (["UNAVAILABLE"] if then == "breaks" else [])


def test_chunks_without_numbers_whose_acknowledgement_was_lost_are_heard_once(hearing: Site, desk: Desk) -> None:
    with leading_to(hearing.mqtt5) as proxy:
        hearing.start_bridge(idle_s=2, mqtt_address=f"127.0.0.1:{proxy.port}")
        watch, chunks = hearing.wearing("watch-1", version=4), chunks_of("summon")
        proxy.hold(Way.THERE)
        for chunk in chunks:
            watch.publish(chunk)
        eventually(lambda: hearing.samples("watch-1", "received") == len(chunks) * CHUNK)
        proxy.cut()
        duplicates = 'conch_bridge_duplicates{device="watch-1",tenant="default"}'
        eventually(lambda: hearing.metric(duplicates) == len(chunks))
        eventually(lambda: "decision" in watch.names())
        eventually(lambda: bool(desk.summons))

        eventually(lambda: "account" in watch.names())
        account = watch.of("account")[-1]
        assert_balanced(account)
        assert (account["received"], account["sent"]) == (len(chunks) * CHUNK, None)
        assert len(assert_acted_once(watch.of("decision"))) == 1
        assert len({one["command_id"] for one in desk.summons}) == 1


def test_a_device_that_stops_in_the_middle_of_a_word_is_told_so_and_may_go_on(hearing: Site, desk: Desk) -> None:
    hearing.kill("gateway")
    hearing.start_gateway(listen_stall_s=0.5)
    hearing.start_bridge(idle_s=30)
    watch, chunks = hearing.wearing("watch-1"), chunks_of("summon")
    begin(hearing, watch, chunks)
    eventually(lambda: "decision" in watch.names())
    assert [final["end_reason"] for final in watch.of("final")] == ["stalled"]
    again = [*chunks[:BEFORE], *chunks]
    say(watch, again, BEFORE)
    eventually(lambda: "account" in watch.names())
    assert_balanced(watch.of("account")[-1])
    acted = assert_acted_once(watch.of("decision"))
    heard = BEFORE * CHUNK // VAD_WINDOW * VAD_WINDOW  # what is less than a window waits for what comes
    later = (WORD[0] + BEFORE * CHUNK, WORD[1] + BEFORE * CHUNK)
    assert_none_lost([(WORD[0], heard), later], acted.values(), [])
    assert len(acted) == 2
    assert watch.names().count("started") == 1


def test_a_storm_from_one_device_costs_another_nothing_and_its_own_oldest_audio(hearing: Site, desk: Desk) -> None:
    hearing.start_bridge(idle_s=30, max_waiting_s=20)
    storm, watch, chunks = hearing.wearing("watch-2"), hearing.wearing("watch-1"), chunks_of("summon")
    over, sent = threading.Event(), [0]

    def rage() -> None:
        data = speech()
        while not over.is_set():
            for _ in range(50):
                offered = storm.offer(data, session="one", seq=sent[0], offset=sent[0] * CHUNK)
                sent[0] += 1
            offered.wait_for_publish(40)

    raging = threading.Thread(target=rage)
    raging.start()
    try:
        eventually(lambda: storm.names().count("dropped") >= 10)
        say(watch, chunks)
        eventually(lambda: "decision" in watch.names())
        assert raging.is_alive()
    finally:
        over.set()
        raging.join()
    assert_heard_once(watch, desk, len(chunks) * CHUNK)
    eventually(lambda: hearing.samples("watch-2", "sent") == sent[0] * CHUNK)
    kinds = ("received", "gap", "dropped", "sent")
    assert_balanced({kind: hearing.samples("watch-2", kind) for kind in kinds})
    assert storm.names().count("dropped") <= sent[0] / 4  # told together, so that telling is no storm
    assert hearing.metric("conch_bridge_unsent") == 0


def test_what_is_no_audio_is_counted_by_its_reason_and_costs_nobody_a_command(hearing: Site, desk: Desk) -> None:
    hearing.start_bridge(idle_s=30)
    watch, other, chunks = hearing.wearing("watch-1"), hearing.wearing("watch-2"), chunks_of("summon")
    begin(hearing, watch, chunks)
    for payload in (b"", bytes(1001), bytes(1_000_000), b' {"audio": [1, 2]}\n'):
        watch.publish(payload)
        other.publish(payload)
    eventually(lambda: len(watch.of("refused")) == len(other.of("refused")) == 4)
    assert [event["reason"] for event in watch.of("refused")] == ["empty", "odd_length", "too_large", "text"]
    counted = {reason: hearing.refused(reason) for reason in Reason}
    assert_each_counted(counted, [*watch.of("refused"), *other.of("refused")])

    other.publish(np.random.default_rng(4).bytes(64_000))  # heard as the noise that it is
    other.offer(bytes(2**20 + 1))  # more than the broker takes, which cuts off whoever sends it
    eventually(lambda: other.breaks > 0)
    say(watch, chunks, BEFORE)
    assert_heard_once(watch, desk, len(chunks) * CHUNK)
    assert watch.breaks == 0
