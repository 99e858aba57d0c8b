"""Played wearables at a real broker and a real bridge, with a gateway that counts."""

import asyncio
import contextlib

import pytest

from bridge.mqtt import Broker
from bridge.wearables.clips import Clip
from bridge.wearables.microphone import Microphone
from bridge.wearables.recording import Played, Recording
from bridge.wearables.report import Report
from bridge.wearables.simulation import registered, simulate
from bridge.wearables.wearable import Event, wearing
from conch.contracts.errors import Unavailable
from conch.contracts.topics import DeviceId
from conch.stack.serving import free_ports
from tests.bridge.wearable import speech

WATCH = DeviceId("default", "watch-1")
SAID = Recording(speech(4800), 16_000)


def broker(site, name="played"):
    return Broker("127.0.0.1", site.mqtt5, "5", name, kept_s=0)


async def conversed(site, sound):
    """What the device sent, and the events it heard."""
    events = []

    def heed(one):
        if isinstance(one, Event):
            events.append(one.fields)

    async with wearing(broker(site), WATCH) as wearable:
        return await wearable.converse(sound, heed), events


def told(events, name):
    return [event for event in events if event["event"] == name]


async def test_a_recording_is_heard_to_its_end_and_every_sample_is_accounted_for(site):
    sent, events = await conversed(site, Played(SAID, pace=8.0))
    kinds = [event["event"] for event in events if event["event"] not in ("account", "action", "speech")]
    assert kinds == ["started", "speech_started", "final", "intent", "decision", "ended"]
    assert [action["state"] for action in told(events, "action")] == ["done"]
    assert {event["session"] for event in events} == {sent.session}
    (account,) = told(events, "account")
    assert (account["received"], account["sent"]) == (sent.samples, sent.samples)
    assert sent.samples == 4800 + 16_000 + 3200


async def test_a_microphone_is_heard_until_it_is_stopped(site):
    """The second sound comes only when the first has been decided: it is live, and not a file."""
    loop = asyncio.get_running_loop()

    @contextlib.contextmanager
    def capture(take):
        take(speech(5000))
        take(bytes(2 * 2 * 3200))
        loop.call_soon(asyncio.ensure_future, when_decided(take))
        yield

    async def when_decided(take):
        await decided.wait()
        take(speech(4000, seed=2))
        loop.call_soon(microphone.stop)

    microphone, decided, events = Microphone(capture), asyncio.Event(), []

    def heed(one):
        if isinstance(one, Event):
            events.append(one.name)
            if one.name == "decision":
                decided.set()

    async with wearing(broker(site), WATCH) as wearable:
        sent = await wearable.converse(microphone, heed)
    assert events.count("decision") == 2
    assert sent.samples == 5000 + 6400 + 4000 + 3200
    assert site.samples("watch-1", "received") == sent.samples


async def test_devices_of_a_simulation_are_registered_for_the_run_and_each_balances(site):
    turns = []
    with registered(site.devices, 3, "en") as names:
        clips = [Clip("a", "summon the team", SAID), Clip("b", None, Recording(speech(1600, seed=3), 8000))]
        await simulate(broker(site), names, clips, 1.0, turns.append)
    report = Report.of(turns, len(names))
    assert {turn.device for turn in turns} == {name.device for name in names}
    assert (report.unbalanced, report.errors, report.unheard, report.word_error_rate) == ((), (), 0, 0.0)
    assert report.decisions == {"execute": report.turns}
    assert report.received == report.sent > 0
    assert report.final is not None
    assert report.final.count == report.turns
    assert {name.device for name in site.devices.read()} == {"watch-1", "watch-2"}


async def test_a_chunk_that_is_refused_leaves_the_accounts_in_balance(site):
    class Faltering:
        rate = 16_000

        async def chunks(self):
            yield speech()
            yield b""
            yield speech(seed=2)

    sent, events = await conversed(site, Faltering())
    account = told(events, "account")[-1]
    assert [refused["reason"] for refused in told(events, "refused")] == ["empty"]
    assert account["received"] + account["gap"] + account["dropped"] == sent.samples == 3 * 3200


async def test_a_broker_that_is_not_there_is_told(monkeypatch):
    from bridge.wearables import wearable

    monkeypatch.setattr(wearable, "CONNECT_S", 0.2)
    [port] = free_ports(1)
    with pytest.raises(Unavailable, match="does not answer"):
        async with wearing(Broker("127.0.0.1", port, "5", "nobody", kept_s=0), WATCH):
            raise AssertionError
