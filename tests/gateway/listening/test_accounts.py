import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import InvalidRequest
from gateway.listening.accounts import Accounts, Arrival


def accounts(received_to: int = 0) -> Accounts:
    return Accounts(16000, received_to, back_s=1.0)


def arrive(one: Accounts, offset: int, samples: int) -> Arrival:
    arrival = one.place(offset, samples)
    one.take(offset, samples)
    return arrival


def test_a_chunk_that_is_only_placed_has_not_arrived() -> None:
    one = accounts(1000)
    assert one.place(1500, 100) == one.place(1500, 100) == Arrival(0, (1000, 1500))
    assert one.received_to == 1000


def test_chunks_in_order_are_heard_whole() -> None:
    one = accounts(320)
    assert [arrive(one, 320, 100), arrive(one, 420, 100)] == [Arrival(0), Arrival(0)]
    assert one.received_to == 520


def test_a_duplicate_is_nothing_new() -> None:
    one = accounts(1000)
    assert arrive(one, 900, 100) == Arrival(skipped=100)
    assert arrive(one, 950, 20) == Arrival(skipped=20)
    assert one.received_to == 1000


def test_of_an_overlap_only_the_new_part_is_heard() -> None:
    one = accounts(1000)
    assert arrive(one, 900, 300) == Arrival(skipped=100)
    assert one.received_to == 1200


def test_a_gap_is_told_with_its_range() -> None:
    one = accounts(1000)
    assert arrive(one, 1500, 100) == Arrival(0, (1000, 1500))
    assert one.received_to == 1600


@pytest.mark.parametrize(
    ("offset", "complaint"),
    [(-1, "offset is -1"), (900, "19100 samples back, at most 16000"), (2**62, "ahead, at most 1382400000")],
    ids=["before the first", "long ago", "beyond reason"],
)
def test_an_offset_that_cannot_be_meant_is_refused_and_changes_nothing(offset: int, complaint: str) -> None:
    one = accounts(20000)
    with pytest.raises(InvalidRequest, match=complaint):
        arrive(one, offset, 100)
    assert one.received_to == 20000


def test_a_session_does_not_begin_before_its_first_sample() -> None:
    with pytest.raises(InvalidRequest, match="resume_offset is -5"):
        accounts(-5)


@given(st.integers(0, 5000), st.lists(st.tuples(st.integers(0, 20000), st.integers(0, 500)), max_size=50))
def test_every_sample_is_heard_once_or_told_as_missing(first: int, chunks: list[tuple[int, int]]) -> None:
    one, told = accounts(first), []
    for offset, samples in chunks:
        before = one.received_to
        try:
            arrival = arrive(one, offset, samples)
        except InvalidRequest:
            assert one.received_to == before
            continue
        told += list(range(*arrival.gap)) if arrival.gap else []
        told += range(offset + arrival.skipped, offset + samples)
    assert told == list(range(first, one.received_to))
