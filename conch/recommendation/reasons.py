"""Bits and floats of an item's provenance as words: made for the items that go out, never for all that were ranked."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import NO_REASON, SOURCES, Change, Source

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


def source_names(bits: int) -> tuple[str, ...]:
    """Bits that nobody has named are left out."""
    return _SOURCE_NAMES[bits % len(_SOURCE_NAMES)]


def change_names(bits: int) -> tuple[str, ...]:
    return _CHANGE_NAMES[bits % len(_CHANGE_NAMES)]


def parts_of(values: Sequence[float]) -> Mapping[str, float]:
    """Of a row of `parts`: what each source gave, where it gave something."""
    return {name: value for name, value in zip(SOURCES, values, strict=True) if value > 0}


def gave_most(reasons: U4, parts: F4, stand_in: Callable[[Places], Bools]) -> tuple[Places, Places]:
    """Of rows of `reasons` and `parts`, those whose number is a master's, and those whose number is a category's.

    Relations and what is seen together come from a viewed master, best sellers of a category from that. `stand_in`
    tells of rows whether the item stands in the category of that number, or below it: a category that gave something
    is one of the item's.
    """
    semantic, category, co_view, _ = (parts > 0).T
    known = reasons != NO_REASON
    masters, categories = (semantic | co_view) & known, category & known
    both = np.flatnonzero(masters & categories)
    if len(both):
        categories[both] = stand_in(both)
        masters[both] = ~categories[both]
    return np.flatnonzero(masters), np.flatnonzero(categories)


def _names(flags: type[IntFlag]) -> Sequence[tuple[str, ...]]:
    """Of every set of bits up to the highest that has a name."""
    words = [(flag.value, re.sub(r"\W+", "_", (flag.name or "").lower())) for flag in flags]
    highest = max(bit for bit, _ in words)
    return [tuple(word for bit, word in words if bits & bit) for bits in range(2 * highest)]


# An item asks for its own two; to go through the flags again took as long as all else that is made of it.
_SOURCE_NAMES = _names(Source)
_CHANGE_NAMES = _names(Change)
