"""Sales by the minute, added up: what sells best where the hot store does not say.

    DuckDbRollups       their writer's file           (duckdb_rollups.py)
    PublishedRollups    what that has published       (published_rollups.py)
    MemoryRollups       this process                  (memory_rollups.py)

All pass tests/stores/test_rollups.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Sale:
    """What one pid sold in one pane."""

    category: str
    """Its leaf category, or an ancestor: a sale is added for each."""
    pid: str
    units: int
    """Ordered, less cancelled and returned."""
    views: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """score = hour x units of the last hour + day x units of the last day + views x views of the last day."""

    hour: float = 1.0
    day: float = 0.1
    views: float = 0.001


DEFAULT_WEIGHTS = Weights()

ALL = ""
"""The category of everything."""


class Rollups(Protocol):
    """Raises Unavailable and nothing else, within the deadline that it was made with."""

    def best_sellers(
        self, category: str, now_ms: int, limit: int, weights: Weights = DEFAULT_WEIGHTS
    ) -> Sequence[tuple[str, float]]:
        """(pid, score), by (-score, pid); those above 0 alone."""
        ...

    def close(self) -> None: ...


class WrittenRollups(Rollups, Protocol):
    """Of their one writer."""

    def replace(self, pane_ms: int, sales: Sequence[Sale]) -> None:
        """All that a pane (its start in epoch ms) said before, in one transaction."""
        ...
