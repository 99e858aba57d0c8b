"""What of a wearable's events people are shown, and what is still to come."""

import json
import time

import pytest

from bridge.mqtt import Message
from bridge.wearables.wearable import Event
from conch.cli.story import SUMMONS, Story
from conch.contracts.topics import DeviceId

DEVICE = DeviceId("default", "watch-1")
DECISION = {
    "event": "decision",
    "decision": "execute",
    "reason": "confidence 0.99 reaches 0.85",
    "team": "cleaning crew",
    "place": "aisle 5",
    "reply": "",
}
DONE = {"event": "action", "action": "summon", "state": "done", "reason": "", "reply": "On their way."}


@pytest.fixture
def shown():
    return []


@pytest.fixture
def story(shown):
    return Story(DEVICE, time.monotonic(), lambda at, name, words: shown.append((name, words)))


def event(**fields):
    return Event(fields, time.monotonic())


def message(topic, payload, **properties):
    told = tuple((name, value) for name, value in properties.items())
    return Message(topic, payload, told, False, False, 1, 1, 1)


def test_events_are_told_in_words_and_those_for_programs_are_left_out(story, shown):
    story.heed(event(event="started"))
    story.heed(event(event="speech_started", utterance=0))
    story.heed(event(event="partial", text="send the"))
    story.heed(event(event="final", text="", no_speech="loop"))
    story.heed(event(event="intent", intent="SUMMON_TEAM", confidence=0.9923))
    story.heed(event(event="gap", start_offset=0, end_offset=3200))
    story.heed(event(event="account", received=1))
    assert shown == [
        ("speech started", ""),
        ("partial", "send the"),
        ("final", "(nothing was said: loop)"),
        ("intent", "SUMMON_TEAM, confidence 0.992"),
        ("gap", "samples 0 to 3200"),
    ]


def test_a_summons_and_its_speech_are_awaited_and_kept(story, shown):
    story.heed(event(**DECISION))
    assert story.awaits == {"summon"}
    story.heed(message(SUMMONS, json.dumps({"team": "cleaning crew", "place": "aisle 5"}).encode()))
    story.heed(event(**DONE))
    assert story.awaits == {"speech"}
    for pcm16, last in ((b"\1\0", "false"), (b"\2\0", "true")):
        story.heed(message(DEVICE.speech, pcm16, rate="22050", last=last))
    assert story.awaits == set()
    assert (story.reply, b"".join(one.pcm16 for one in story.spoken)) == ("On their way.", b"\1\0\2\0")
    assert shown[1:] == [("team/summon", "team cleaning crew, place aisle 5"), ("action", "summon: done")]


def test_a_summons_that_failed_is_not_waited_for(story):
    story.heed(event(**DECISION))
    story.heed(event(**{**DONE, "state": "failed", "reason": "no broker", "reply": ""}))
    assert story.awaits == set()
