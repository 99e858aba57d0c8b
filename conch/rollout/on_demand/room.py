"""Who goes when there is not room for all: whoever was called longest ago, and no more of them than need be."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Occupant:
    name: str
    size_bytes: int
    used_at: float


def to_leave(there: Sequence[Occupant], needed_bytes: int, bound_bytes: int | None) -> Sequence[str]:
    """So that what stays, and what is needed beside it, is within the bound; all of them where nothing would do."""
    if bound_bytes is None:
        return []
    taken = sum(one.size_bytes for one in there)
    leaving = []
    for one in sorted(there, key=lambda one: (one.used_at, one.name)):
        if taken + needed_bytes <= bound_bytes:
            break
        leaving.append(one.name)
        taken -= one.size_bytes
    return leaving
