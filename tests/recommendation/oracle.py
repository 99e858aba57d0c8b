"""The formula of conch/recommendation/merging.py with dicts and sorted lists, as one would write it down."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from conch.contracts.provenance import NO_REASON, SOURCES
from conch.recommendation.merging import Ranked

Candidate = tuple[int, float, int, tuple[float, ...], int]
"""Master, score, bits, parts, reason."""


def merged(lists: Sequence[Ranked], excluded: Collection[int], most: int) -> list[Candidate]:
    whole = 0.0
    for ranked in lists:  # not by sum(), which from Python 3.12 on is more exact than the order of the lists
        whole += ranked.weight
    parts: dict[int, list[float]] = defaultdict(lambda: [0.0] * len(SOURCES))
    bits: dict[int, int] = defaultdict(int)
    gifts: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for ranked in lists:
        if ranked.weight <= 0:
            continue
        for master, scaled in highest(ranked).items():
            if master in excluded or master == NO_REASON:
                continue
            gift = ranked.weight * scaled / whole
            parts[master][ranked.source] += gift
            bits[master] |= ranked.bits
            gifts[master].append((gift, ranked.reason))
    candidates = [
        (master, single(sum(given)), bits[master], tuple(map(single, given)), first_of_most(gifts[master]))
        for master, given in parts.items()
    ]
    return sorted(candidates, key=lambda candidate: (-candidate[1], candidate[0]))[:most]


def highest(ranked: Ranked) -> dict[int, float]:
    """By master: its highest score in the list, scaled to [0, 1] by the list's."""
    top = max((float(score) for score in ranked.scores), default=0.0)
    scaled: dict[int, float] = {}
    for master, score in zip(ranked.masters.tolist(), ranked.scores.tolist(), strict=True):
        value = max(score, 0.0) / top if top > 0 else 0.0
        scaled[master] = max(value, scaled.get(master, 0.0))
    return scaled


def first_of_most(gifts: Sequence[tuple[float, int]]) -> int:
    most = max(gift for gift, _ in gifts)
    return next(reason for gift, reason in gifts if gift == most)


def single(value: float) -> float:
    return float(np.float32(value))
