"""Bits and floats of an item's provenance as words: made for the items that go out, never for all that were ranked."""

import re
from collections.abc import Mapping, Sequence
from enum import IntFlag

from conch.contracts.provenance import SOURCES, Change, Source

OF_MASTERS = ("semantic", "co_view")
"""Sources whose lists come from a viewed master; those of the others come from a category, or from nothing."""


def source_names(bits: int) -> tuple[str, ...]:
    """Bits that nobody has named are left out."""
    return _SOURCE_NAMES[bits % len(_SOURCE_NAMES)]


def change_names(bits: int) -> tuple[str, ...]:
    return _CHANGE_NAMES[bits % len(_CHANGE_NAMES)]


def parts_of(values: Sequence[float]) -> Mapping[str, float]:
    """Of a row of `parts`: what each source gave, where it gave something."""
    return {name: value for name, value in zip(SOURCES, values, strict=True) if value > 0}


def is_master(reason: int, parts: Mapping[str, float], categories: Sequence[int]) -> bool:
    """Whether the number of what gave most is a master's or a category's; `categories` are the item's and those above.

    Best sellers of a category stand in it or below it, so a category that gave something is one of the item's.
    """
    from_masters = any(name in OF_MASTERS for name in parts)
    return from_masters and not ("category" in parts and reason in categories)


def _names(flags: type[IntFlag]) -> Sequence[tuple[str, ...]]:
    """Of every set of bits up to the highest that has a name."""
    words = [(flag.value, re.sub(r"\W+", "_", (flag.name or "").lower())) for flag in flags]
    highest = max(bit for bit, _ in words)
    return [tuple(word for bit, word in words if bits & bit) for bits in range(2 * highest)]


# An item asks for its own two; to go through the flags again took as long as all else that is made of it.
_SOURCE_NAMES = _names(Source)
_CHANGE_NAMES = _names(Change)
