"""Bits and floats of an item's provenance as words: made for the items that go out, never for all that were ranked."""

import re
from collections.abc import Mapping, Sequence

from conch.contracts.provenance import SOURCES, Change, Source

OF_MASTERS = ("semantic", "co_view")
"""Sources whose lists come from a viewed master; those of the others come from a category, or from nothing."""


def source_names(bits: int) -> tuple[str, ...]:
    """Bits that nobody has named are left out."""
    return tuple(_word(source) for source in Source if bits & source)


def change_names(bits: int) -> tuple[str, ...]:
    return tuple(_word(change) for change in Change if bits & change)


def parts_of(values: Sequence[float]) -> Mapping[str, float]:
    """Of a row of `parts`: what each source gave, where it gave something."""
    return {name: float(value) for name, value in zip(SOURCES, values, strict=True) if value > 0}


def is_master(reason: int, parts: Mapping[str, float], categories: Sequence[int]) -> bool:
    """Whether the number of what gave most is a master's or a category's; `categories` are the item's and those above.

    Best sellers of a category stand in it or below it, so a category that gave something is one of the item's.
    """
    from_masters = any(name in OF_MASTERS for name in parts)
    return from_masters and not ("category" in parts and reason in categories)


def _word(flag: Source | Change) -> str:
    return re.sub(r"\W+", "_", (flag.name or "").lower())
