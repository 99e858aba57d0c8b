from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.accounts import Balance, Missing, Numbered
from bridge.chunk import Refused


@dataclass(frozen=True)
class Piece:
    offset: int
    samples: int


def pieces(*spans: tuple[int, int]) -> list[Piece]:
    return [Piece(start, end - start) for start, end in spans]


def fed(accounts: Numbered[Piece], arriving: list[Piece]) -> list[Piece | Missing]:
    ready: list[Piece | Missing] = []
    for piece in arriving:
        if accounts.is_new(piece.offset, piece.samples):
            ready += accounts.take(piece)
    return ready


@st.composite
def journeys(draw: st.DrawFn) -> tuple[list[Piece], list[Piece]]:
    """What a device sent, and what arrives of it: some lost, some again, some out of their places."""
    offset, sent = 0, []
    for samples in draw(st.lists(st.integers(1, 4000), min_size=1, max_size=30)):
        sent.append(Piece(offset, samples))
        offset += samples
    arriving = draw(st.lists(st.sampled_from(sent), max_size=60))
    return sent, arriving


@given(journeys(), st.integers(1, 8))
def test_received_and_gap_make_sent_however_chunks_arrive(journey, window):
    _, arriving = journey
    accounts = Numbered[Piece](window)
    ready = fed(accounts, arriving) + accounts.give_up()
    balance = accounts.balance
    heard = [one for one in ready if isinstance(one, Piece)]
    last = max((piece.offset + piece.samples for piece in arriving), default=0)

    assert balance.sent == last
    assert balance.received + balance.gap + balance.dropped == balance.sent
    assert balance.received == sum(piece.samples for piece in heard)
    assert balance.duplicates == len(arriving) - len(heard)
    places = [(one.offset, one.offset + one.samples) if isinstance(one, Piece) else one for one in ready]
    spans = [(one.start_offset, one.end_offset) if isinstance(one, Missing) else one for one in places]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]


@given(journeys())
def test_nothing_is_lost_that_arrives_within_the_window(journey):
    sent, _ = journey
    window = 4
    # Blocks turned around: no chunk comes later than after `window` others.
    shuffled = [piece for at in range(0, len(sent), window) for piece in reversed(sent[at : at + window])]
    accounts = Numbered[Piece](window)
    assert fed(accounts, shuffled) == sent
    assert accounts.balance.gap == 0


@given(journeys(), st.integers(0, 30))
def test_accounts_go_on_where_others_left_them(journey, at):
    _, arriving = journey
    whole, first = Numbered[Piece](4), Numbered[Piece](4)
    fed(whole, arriving[:at])
    whole.give_up()
    fed(whole, arriving[at:])
    fed(first, arriving[:at])
    first.give_up()
    second = Numbered[Piece](4, first.next_offset, first.balance)
    fed(second, arriving[at:])
    assert second.balance == whole.balance


def test_a_chunk_that_comes_after_it_was_given_up_is_no_news():
    accounts = Numbered[Piece](1)
    late, *others = pieces((0, 10), (10, 20), (20, 30))
    assert fed(accounts, others) == [Missing(0, 10), *others]
    assert not accounts.is_new(late.offset, late.samples)
    assert accounts.balance == Balance(received=20, gap=10, duplicates=1, sent=30)


@pytest.mark.parametrize("span", [(5, 15), (0, 11), (15, 25), (12, 18)], ids=str)
def test_a_chunk_that_is_known_in_part_is_refused(span):
    accounts = Numbered[Piece](8)
    fed(accounts, pieces((0, 10), (14, 20)))
    with pytest.raises(Refused, match=f"samples {span[0]} to {span[1]} are known in part"):
        accounts.is_new(span[0], span[1] - span[0])
