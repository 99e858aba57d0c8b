"""Put sequences of unequal length into as few padded arrays as pays.

On a CPU the time of a call grows with its tokens, padding included, and a call more costs as much as a few tokens; on
a GPU a call more costs as much as thousands. `call_cost` is that price, in tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Padded:
    rows: list[int]
    """Where the sequences stood in what was given."""
    ids: npt.NDArray[np.int64]
    """(len(rows), longest of them), zeros after each end."""
    mask: npt.NDArray[np.int64]
    """1 where `ids` holds a token."""


def pad(sequences: Sequence[npt.NDArray[np.int64]], call_cost: int) -> list[Padded]:
    """Every sequence in exactly one array; the cheapest division into arrays of neighbours in length."""
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
    lengths = [len(sequences[row]) for row in order]
    return [_padded(order[start:end], sequences) for start, end in divide(lengths, call_cost)]


def divide(lengths: Sequence[int], call_cost: int) -> list[tuple[int, int]]:
    """Cut ascending `lengths` into runs (start, end) so that padded tokens and calls together cost least."""
    cheapest = [0] * (len(lengths) + 1)
    begins = [0] * (len(lengths) + 1)
    for end in range(1, len(lengths) + 1):
        cheapest[end], begins[end] = min(
            (cheapest[start] + (end - start) * lengths[end - 1] + call_cost, start) for start in range(end)
        )
    runs: list[tuple[int, int]] = []
    end = len(lengths)
    while end:
        runs.append((begins[end], end))
        end = begins[end]
    return runs[::-1]


def _padded(rows: list[int], sequences: Sequence[npt.NDArray[np.int64]]) -> Padded:
    longest = len(sequences[rows[-1]])
    ids = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros((len(rows), longest), np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(sequences[row])] = sequences[row]
        mask[index, : len(sequences[row])] = 1
    return Padded(rows, ids, mask)
