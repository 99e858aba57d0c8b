"""What holds of a session whatever happened to it. Tests of faults assert it from here, so that there is one law."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from bridge.accounts import Balance

Span = tuple[int, int]
"""Samples: the first, and the first after them."""


def assert_balanced(balance: Balance | Mapping[str, Any]) -> None:
    """received + gap + dropped = sent; of a device that does not count, what was sent is unknown."""
    one = asdict(balance) if isinstance(balance, Balance) else balance
    parts = [one["received"], one["gap"], one["dropped"]]
    assert min(parts) >= 0, one
    if one["sent"] is not None:
        assert sum(parts) == one["sent"], one


def assert_acted_once(decisions: Iterable[Mapping[str, Any]]) -> dict[str, Span]:
    """Of decisions as a device is told them: a command may be told twice, its samples are never another's too."""
    acted: dict[str, Span] = {}
    for decision in decisions:
        if decision["decision"] == "execute":
            span = decision["start_offset"], decision["end_offset"]
            assert acted.setdefault(decision["command_id"], span) == span
    for (_, end), (start, _) in pairwise(sorted(acted.values())):
        assert end <= start, acted
    return acted


def assert_none_lost(said: Iterable[Span], decided: Iterable[Span], told_lost: Iterable[Span]) -> None:
    """Each sample of speech that was acknowledged is in a decision, or the device was told that nobody heard it."""
    known = sorted([*decided, *told_lost])
    for start, end in said:
        at = start
        for first, after in known:
            if first <= at < after:
                at = after
        assert at >= end, f"samples {at} to {end} are neither decided nor told as lost: {known}"


def assert_each_counted(counted: Mapping[str, float], told: Sequence[Mapping[str, Any]]) -> None:
    """`counted` by reason; `told` are the device's own `refused` events."""
    assert {reason: count for reason, count in counted.items() if count} == Counter(one["reason"] for one in told)
