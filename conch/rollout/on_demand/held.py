"""A unit of models on demand, as the loader keeps it."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conch.contracts.errors import ConchError
from conch.rollout.on_demand.room import Occupant
from conch.rollout.on_demand.units import Unit

RETRY_S = (2.0, 5.0, 15.0, 60.0)
"""Before a load that failed is tried again; the calls of meanwhile are told its reason."""


@dataclass(frozen=True, slots=True)
class Trouble:
    reason: str
    tries: int
    again_at: float


@dataclass(frozen=True, slots=True)
class Size:
    versions: tuple[int, ...]
    """Of whom it was measured; another version has another size."""
    size_bytes: int


@dataclass(slots=True)
class Held:
    unit: Unit
    loaded: bool = False
    used_at: float = -math.inf
    safe_until: float = -math.inf
    """Until then calls may come that have not asked: it is not unloaded before."""
    waiting: int = 0
    loading: "asyncio.Task[float | ConchError] | None" = None
    """Its load, for all who wait: until when they may pass, or what there is against it."""
    trouble: Trouble | None = None
    size: Size | None = None

    def failed(self, reason: str, now: float) -> None:
        tries = self.trouble.tries if self.trouble else 0
        self.trouble = Trouble(reason, tries + 1, now + RETRY_S[min(tries, len(RETRY_S) - 1)])

    @property
    def size_bytes(self) -> int:
        return self.size.size_bytes if self.size else 0

    def is_in(self, ready: Mapping[str, Sequence[int]]) -> bool:
        """All of it, by what servers list."""
        return all(ready.get(member) for member in self.unit.members)

    def occupant(self) -> Occupant:
        return Occupant(self.unit.name, self.size_bytes, self.used_at)
