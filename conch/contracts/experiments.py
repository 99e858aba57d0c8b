"""Which variant a user sees: a pure function of the user's id, the same in every process and in every language.

Assignment: u = first 8 bytes, big-endian, of SHA-256("{salt}:{name}:{user}") ÷ 2⁶⁴; the arm whose share of [0, 1)
holds u, the arms in the order of the file. What the shares leave over is the holdout, which sees `control` and is told
apart by its name alone.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from conch.contracts.errors import InvalidRequest
from conch.contracts.segments import MOST_BYTES, SEGMENTS, UNKNOWN

HOLDOUT = "holdout"
_KEYS = frozenset({"name", "salt", "control", "arms", "segments"})


@dataclass(frozen=True, slots=True)
class Arm:
    variant: str
    share: float
    """Of the users, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Experiment:
    name: str = "recommendation"
    salt: str = ""
    control: str = "control"
    arms: tuple[Arm, ...] = (Arm("control", 1.0),)
    segments: frozenset[str] = frozenset()
    """Who takes part, as "new", "returning" (segments.py); empty: everybody. The rest see `control`."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Of a TOML table. Raises InvalidRequest."""
        if unknown := sorted(table.keys() - _KEYS):
            raise InvalidRequest(f"experiment has {unknown[0]!r}, which is none of {', '.join(sorted(_KEYS))}")
        arms = tuple(Arm(name, _share(name, arm)) for name, arm in table.get("arms", {}).items())
        experiment = cls(
            str(table.get("name", "recommendation")),
            str(table.get("salt", "")),
            str(table.get("control", "control")),
            arms or (Arm(str(table.get("control", "control")), 1.0),),
            _segments(table.get("segments", [])),
        )
        if experiment.segments and not 1 <= len(experiment.name.encode()) <= MOST_BYTES:
            raise InvalidRequest(f"experiment.name is {experiment.name[:80]!r}, it has 1 to {MOST_BYTES} bytes")
        total = sum(arm.share for arm in experiment.arms)
        if total > 1 + 1e-9:
            raise InvalidRequest(f"experiment.arms have the shares {total} together, at most 1")
        if experiment.control not in experiment.variants:
            raise InvalidRequest(f"experiment.control is {experiment.control!r}, which is no arm")
        return experiment

    @property
    def variants(self) -> tuple[str, ...]:
        return (*(arm.variant for arm in self.arms), HOLDOUT)

    @property
    def segments_told(self) -> tuple[str, ...]:
        """That a list may have been made for, as far as they are known here; of nobody we know it is none."""
        return tuple(dict.fromkeys(("", *SEGMENTS, UNKNOWN, *sorted(self.segments)))) if self.segments else ("",)

    def variant(self, user: str, segment: str = "") -> str:
        """Of this user for good; nobody we know sees `control`."""
        if not user or (self.segments and segment not in self.segments):
            return self.control
        place = _place(f"{self.salt}:{self.name}:{user}")
        end = 0.0
        for arm in self.arms:
            end += arm.share
            if place < end:
                return arm.variant
        # Shares that add up to 1 may do so but for a rounding.
        return HOLDOUT if end < 1 - 1e-9 else self.arms[-1].variant

    def segment_shown(self, user: str, variant: str, now: str) -> str:
        """What the user was when a list was made that came as `variant`, where that was not told: `now` is what the
        user is by now. It may have changed in between; then it is what the variant leaves."""
        if self.variant(user, now) == variant:
            return now
        fits = [segment for segment in {*SEGMENTS, *self.segments} if self.variant(user, segment) == variant]
        return fits[0] if len(fits) == 1 else now


def _place(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _segments(names: object) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequest(f"experiment.segments is {names!r}, not a list of names")
    for name in names:
        if name == UNKNOWN or not 1 <= len(name.encode()) <= MOST_BYTES:
            raise InvalidRequest(
                f"experiment.segments has {name[:80]!r}, a name has 1 to {MOST_BYTES} bytes and is not {UNKNOWN}"
            )
    return frozenset(names)


def _share(name: str, arm: object) -> float:
    share = arm.get("share") if isinstance(arm, Mapping) else None
    if isinstance(share, bool) or not isinstance(share, int | float) or not math.isfinite(share) or not 0 <= share <= 1:
        raise InvalidRequest(f"experiment.arms.{name}.share is {share!r}, it must be a number from 0 to 1")
    return float(share)
