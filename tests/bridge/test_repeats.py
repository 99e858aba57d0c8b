"""What a broker sends again is told from new audio, with its mark and without."""

from dataclasses import dataclass

from bridge.repeats import Repeats

SILENCE = bytes(400)


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    sent_again: bool
    connection: int


def message(payload: bytes, connection: int = 1, marked: bool = False, device: str = "watch-1") -> Message:
    return Message(f"wearable/{device}/audio", payload, marked, connection)


def new(repeats: Repeats, *messages: Message) -> list[bool]:
    told = []
    for one in messages:
        told.append(not repeats.is_again(one))
        repeats.heard(one)
    return told


def test_equal_audio_is_a_repeat_only_where_it_is_marked_as_sent_again():
    repeats = Repeats(10)
    assert new(repeats, message(SILENCE), message(SILENCE)) == [True, True]
    assert new(repeats, message(SILENCE, marked=True), message(b"speech", marked=True)) == [False, True]


def test_what_a_broker_without_marks_sends_first_on_a_new_connection_came_before():
    repeats = Repeats(10)
    sent = [message(bytes([number])) for number in range(4)]
    new(repeats, *sent)
    again = [message(one.payload, connection=2) for one in sent[2:]]
    assert new(repeats, *again, message(b"news", connection=2)) == [False, False, True]


def test_on_a_new_connection_audio_is_taken_for_a_repeat_as_often_as_it_came_and_no_more():
    repeats = Repeats(10)
    new(repeats, message(b"speech"), message(SILENCE), message(SILENCE))
    assert new(repeats, *[message(SILENCE, connection=2)] * 4) == [False, False, True, True]


def test_later_on_a_connection_equal_audio_is_new():
    repeats = Repeats(10)
    new(repeats, message(b"one"), message(b"two"))
    new(repeats, message(b"three", connection=2), message(b"four", connection=2))
    assert new(repeats, message(b"one", connection=2)) == [True]


def test_a_bridge_that_was_started_again_knows_what_stands_in_its_spool():
    repeats = Repeats(10)
    repeats.restore("wearable/watch-1/audio", b"one")
    assert new(repeats, message(b"one"), message(b"one")) == [False, True]


def test_the_same_bytes_of_another_device_are_its_own():
    repeats = Repeats(10)
    new(repeats, message(b"one"))
    assert new(repeats, message(b"one", connection=2, device="watch-2")) == [True]


def test_looking_at_a_message_that_has_no_room_yet_changes_nothing():
    repeats = Repeats(10)
    new(repeats, message(b"one"))
    again = message(b"one", connection=2)
    assert [repeats.is_again(again), repeats.is_again(again)] == [True, True]
    assert new(repeats, again) == [False]
