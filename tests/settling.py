"""Counts of our models reach Triton's page within a moment (conch/triton/sending.py): read them when they have."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STILL_S = 0.6


def settled(read: Callable[[], T]) -> T:
    """What it reads, once that has not changed for a while."""
    value, since = read(), time.monotonic()
    while time.monotonic() - since < STILL_S:
        time.sleep(0.02)
        if (now := read()) != value:
            value, since = now, time.monotonic()
    return value


def becomes(read: Callable[[], T], wanted: T, within_s: float = 20.0) -> T:
    """What it reads at last: `wanted`, unless that does not come."""
    ends = time.monotonic() + within_s
    while (value := read()) != wanted and time.monotonic() < ends:
        time.sleep(0.02)
    return value
