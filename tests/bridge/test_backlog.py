from dataclasses import replace

import pytest

from bridge.accounts import Balance, Missing
from bridge.backlog import Backlog, Bounds, Dropped
from bridge.chunk import Chunk, Encoding, Format, Reason, Refused
from bridge.records import Mark
from conch.contracts.topics import DeviceId

DEVICE = DeviceId("default", "watch-1")
COUNTED = Format(1000, Encoding.PCM16, True)
BARE = Format(1000, Encoding.PCM16, False)


class Yard:
    """A backlog whose places are numbers."""

    def __init__(self, how: Format = COUNTED, start: Mark | None = None, max_waiting_s: float = 1.0) -> None:
        self.released: list[int] = []
        start = start or Mark(DEVICE, "one", how, 1, 0, 0, Balance(sent=0))
        self.backlog = Backlog(start, Bounds(4, max_waiting_s), self.released.append)

    def take(self, *numbers: int) -> list:
        """Chunks of 0.2 s; `max_waiting_s` is five of them."""
        lost = []
        for number in numbers:
            placed = self.backlog.placed(chunk(number, self.backlog.format), False)
            if placed is not None:
                lost += self.backlog.take(placed, number)
        return lost

    def send(self) -> list[int]:
        sent = []
        while (piece := self.backlog.next()) is not None:
            sent.append(piece.offset // 200)
        return sent


def chunk(number: int, how: Format = COUNTED) -> Chunk:
    return Chunk(bytes([number]) * 400, how, 200, "one", number, number * 200)


def test_what_is_decided_is_released_and_the_rest_is_sent_again():
    yard = Yard()
    yard.take(0, 1, 2, 3)
    assert yard.send() == [0, 1, 2, 3]
    assert yard.backlog.decide(500)
    assert not yard.backlog.decide(400)
    assert yard.released == [0, 1]
    yard.backlog.send_again()
    assert yard.backlog.next_offset == 400
    assert yard.send() == [2, 3]
    assert yard.backlog.decide(800)
    assert yard.backlog.is_empty


def test_the_oldest_that_was_not_sent_goes_and_what_the_gateway_has_stays():
    yard = Yard()
    yard.take(0, 1)
    assert yard.send() == [0, 1]
    assert yard.take(2, 3, 4, 5, 6) == []
    assert yard.take(7, 8) == [Dropped(400, 800)]
    assert yard.send() == [4, 5, 6, 7, 8]
    assert yard.released == [2, 3]
    assert yard.backlog.balance == Balance(received=7 * 200, dropped=400, sent=9 * 200)


def test_the_last_chunk_stays_however_long_it_is():
    yard = Yard(max_waiting_s=0.2)
    assert yard.take(0) == []
    assert yard.take(1) == [Dropped(0, 200)]
    assert yard.send() == [1]


def test_a_gap_is_told_once_its_chunk_is_given_up():
    yard = Yard()
    assert yard.take(0, 2, 3) == []
    assert yard.backlog.reorders
    assert yard.backlog.give_up_missing() == [Missing(200, 400)]
    assert yard.send() == [0, 2, 3]


def test_audio_that_the_gateway_refuses_is_all_dropped():
    yard = Yard()
    yard.take(0, 1, 3)
    yard.send()
    assert yard.backlog.throw_away() == [Missing(400, 600), Dropped(0, 400), Dropped(600, 800)]
    assert yard.backlog.is_empty
    assert sorted(yard.released) == [0, 1, 3]


def test_a_restored_backlog_has_what_was_not_decided_and_nothing_that_was_thrown_away():
    yard = Yard()
    yard.take(0, 1)
    yard.send()
    yard.backlog.decide(200)
    yard.take(2, 3, 4, 5, 6, 7)  # 2 and 3 go
    mark = yard.backlog.mark
    assert mark.thrown_away == (Missing(400, 800),)

    again = Yard(start=mark)
    again.backlog.restore([(chunk(number), number) for number in range(9)])  # the last one came after the mark
    assert again.released == [0, 2, 3, 1, 4]  # nobody was sent anything yet, so 1 and 4 are too old
    assert again.backlog.balance == Balance(received=5 * 200, dropped=800, sent=9 * 200)


def test_a_restored_backlog_sends_chunks_in_their_order_however_they_came():
    yard = Yard()
    yard.take(1, 2, 0)
    again = Yard(start=yard.backlog.mark)
    again.backlog.restore([(chunk(number), number) for number in (1, 2, 0)])
    assert again.send() == [0, 1, 2]


def test_chunks_without_numbers_follow_one_another_and_what_was_sent_is_unknown():
    yard = Yard(BARE)
    yard.take(7, 7, 9)
    assert yard.send() == [0, 1, 2]
    assert yard.backlog.placed(chunk(9, BARE), True) is None
    assert yard.backlog.balance == Balance(received=600, duplicates=1, sent=None)


def test_when_the_last_sample_of_an_utterance_came_is_known_until_it_is_decided():
    yard = Yard()
    for number in range(4):
        yard.backlog.take(replace(chunk(number), came_at=100.0 + number), number)
    assert yard.backlog.came_at(300) is None  # nothing was sent, so nothing can be decided
    yard.send()
    assert [yard.backlog.came_at(offset) for offset in (1, 200, 201, 800, 801)] == [100.0, 100.0, 101.0, 103.0, None]
    yard.backlog.decide(400)
    assert [yard.backlog.came_at(offset) for offset in (400, 401)] == [None, 102.0]
    unknown = Yard()
    unknown.take(0)
    unknown.send()
    assert unknown.backlog.came_at(100) is None


def test_a_chunk_of_another_format_is_refused():
    with pytest.raises(Refused) as refused:
        Yard().backlog.placed(chunk(0, BARE), False)
    assert refused.value.reason is Reason.FORMAT_CHANGED
