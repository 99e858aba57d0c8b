import pytest

from conch.contracts.errors import Unavailable
from conch.stores import changes
from conch.stores.changes import Changes, Heard
from conch.stores.memory_features import MemoryFeatures
from tests.settling import becomes


class Hot(MemoryFeatures):
    listeners = 0

    def messages(self, channels, wait_s):
        self.listeners += 1
        return super().messages(channels, 0.01)


@pytest.fixture
def hot():
    return Hot()


@pytest.fixture
def heard(hot):
    listening = Changes("features:packed", lambda: hot)
    listening.start()
    assert becomes(lambda: hot.listeners, 1) == 1
    yield listening
    listening.close()


def taken(heard: Changes, wanted: Heard) -> Heard:
    """All that comes until `wanted` has come."""
    messages, lost = frozenset(), False

    def take() -> Heard:
        nonlocal messages, lost
        more = heard.take()
        messages, lost = messages | more.messages, lost or more.lost
        return Heard(messages, lost)

    return becomes(take, wanted)


def test_what_was_told_is_taken_once(hot, heard):
    assert heard.take() == changes.NOTHING
    hot.publish("features:packed", ["a", "b", "a"])
    hot.publish("another", ["c"])
    wanted = Heard(frozenset({"a", "b"}), lost=False)
    assert taken(heard, wanted) == wanted
    assert heard.take() == changes.NOTHING


def test_more_than_can_be_held_is_lost_and_said_to_be(hot, heard, monkeypatch):
    monkeypatch.setattr(changes, "MOST", 3)
    hot.publish("features:packed", ["a", "b", "c", "d"])
    wanted = Heard(frozenset(), lost=True)
    assert becomes(lambda: heard._lost, wanted=True) is True
    assert heard.take() == wanted
    hot.publish("features:packed", ["e"])
    wanted = Heard(frozenset({"e"}), lost=False)
    assert taken(heard, wanted) == wanted


def test_a_break_loses_what_was_said_meanwhile(hot, heard):
    hot.break_off()
    wanted = Heard(frozenset(), lost=True)
    assert taken(heard, wanted) == wanted


def test_a_store_that_is_away_is_tried_again(hot):
    tries = []

    class Away(Hot):
        def messages(self, channels, wait_s):
            raise Unavailable("Redis is away")

    def connect():
        tries.append(None)
        return hot if len(tries) > 2 else Away()

    listening = Changes("features:packed", connect)
    listening.start()
    assert becomes(lambda: hot.listeners, 1) == 1
    assert listening.take().lost
    hot.publish("features:packed", ["a"])
    wanted = Heard(frozenset({"a"}), lost=False)
    assert taken(listening, wanted) == wanted
    listening.close()


def test_what_is_to_be_said_is_said_once_each_by_the_thread(hot, heard):
    wanted = hot.messages(["relations:wanted"], 0.01)
    heard.say("relations:wanted", ["m2", "m1"])
    heard.say("relations:wanted", ["m1"])
    said = []
    while len(said) < 2:
        channel, message = next(wanted)
        if channel:
            said.append(message)
    assert said == ["m1", "m2"]


def test_no_more_is_held_to_be_said_than_may(hot, monkeypatch):
    monkeypatch.setattr(changes, "MOST", 2)
    silent = Changes("features:packed", lambda: hot)
    silent.say("relations:wanted", ["a", "b", "c"])
    wanted = hot.messages(["relations:wanted"], 0.01)
    silent.start()
    said = []
    while len(said) < 2:
        channel, message = next(wanted)
        if channel:
            said.append(message)
    assert (said, next(wanted)) == (["a", "b"], ("", ""))
    silent.close()
