"""Rollups of one process, for tests."""

from collections import defaultdict
from collections.abc import Sequence

from conch.stores.rollups import DAY_MS, DEFAULT_WEIGHTS, HOUR_MS, Sale, Weights, WrittenRollups


class MemoryRollups(WrittenRollups):
    def __init__(self) -> None:
        self._panes: dict[int, list[Sale]] = {}

    def replace(self, pane_ms: int, sales: Sequence[Sale]) -> None:
        self._panes[pane_ms] = list(sales)

    def best_sellers(
        self, category: str, now_ms: int, limit: int, weights: Weights = DEFAULT_WEIGHTS
    ) -> Sequence[tuple[str, float]]:
        scores: dict[str, float] = defaultdict(float)
        for pane_ms, sales in self._panes.items():
            if now_ms - DAY_MS < pane_ms <= now_ms:
                units = weights.day + (weights.hour if pane_ms > now_ms - HOUR_MS else 0.0)
                for sale in sales:
                    if sale.category == category:
                        scores[sale.pid] += units * sale.units + weights.views * sale.views
        above = [(pid, score) for pid, score in scores.items() if score > 0]
        return sorted(above, key=lambda item: (-item[1], item[0]))[:limit]

    def close(self) -> None:
        pass
