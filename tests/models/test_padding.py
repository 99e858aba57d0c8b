"""Padding divides sequences where another call costs less than the padding."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.models.padding import divide, pad


def test_equal_lengths_stand_in_one_array() -> None:
    assert divide([7, 7, 7], call_cost=8) == [(0, 3)]


def test_a_long_sequence_does_not_pad_its_short_neighbours() -> None:
    assert divide([5, 5, 6, 200], call_cost=8) == [(0, 3), (3, 4)]


def test_a_dear_call_makes_one_array_of_all() -> None:
    assert divide([5, 5, 6, 200], call_cost=4_096) == [(0, 4)]


def test_nothing_is_divided_into_nothing() -> None:
    assert divide([], call_cost=8) == []
    assert pad([], call_cost=8) == []


def cost(runs: list[tuple[int, int]], lengths: list[int], call_cost: int) -> int:
    return sum((end - start) * lengths[end - 1] + call_cost for start, end in runs)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=7), st.integers(0, 60))
def test_no_other_division_costs_less(lengths: list[int], call_cost: int) -> None:
    lengths.sort()
    inner = range(1, len(lengths))
    every = [[0, *cuts, len(lengths)] for count in range(len(lengths)) for cuts in combinations(inner, count)]
    best = min(cost(list(pairwise(cuts)), lengths, call_cost) for cuts in every)
    assert cost(divide(lengths, call_cost), lengths, call_cost) == best


@pytest.mark.parametrize("call_cost", [0, 8, 4_096])
def test_every_sequence_is_found_again_without_its_padding(call_cost: int) -> None:
    rng = np.random.default_rng(1)
    sequences = [rng.integers(1, 99, size=length) for length in (3, 40, 3, 9, 41, 10)]
    found = {}
    for batch in pad(sequences, call_cost):
        for row, ids, mask in zip(batch.rows, batch.ids, batch.mask, strict=True):
            found[row] = ids[mask == 1].tolist()
            assert not ids[mask == 0].any()
    assert found == {row: sequence.tolist() for row, sequence in enumerate(sequences)}
