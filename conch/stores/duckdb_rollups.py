"""Rollups in one DuckDB file, which one process has open to write, or several to read."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import duckdb
import numpy as np

from conch.contracts.errors import Unavailable
from conch.stores.rollups import DAY_MS, DEFAULT_WEIGHTS, HOUR_MS, Rollups, Sale, Weights

_TABLE = """
CREATE TABLE IF NOT EXISTS sales
  (pane_ms BIGINT NOT NULL, category VARCHAR NOT NULL, pid VARCHAR NOT NULL, units BIGINT NOT NULL,
   views BIGINT NOT NULL)
"""

_BEST = """
SELECT pid, sum(units * ($day + CASE WHEN pane_ms > $hour_ago THEN $hour ELSE 0 END) + views * $views)::DOUBLE AS score
FROM sales WHERE category = $category AND pane_ms > $day_ago AND pane_ms <= $now
GROUP BY pid HAVING score > 0 ORDER BY score DESC, pid LIMIT $limit
"""

READERS_S = 2.0
"""Whoever reads has the file open for one question: a writer waits for that."""

_PAUSE_S = 0.02


class DuckDbRollups(Rollups):
    def __init__(self, file: Path, pause: Callable[[float], object] = time.sleep) -> None:
        """Makes the file where there is none. Raises Unavailable, as where another process keeps it open."""
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = _opened_to_write(file, pause)
            self._database.execute(_TABLE)
        except (OSError, duckdb.Error) as error:
            raise Unavailable(f"DuckDB does not open {file.name}: {error}") from error

    @classmethod
    def to_read(cls, file: Path) -> Self:
        """Nothing can be written. Raises Unavailable at once, where there is no file or another process writes it."""
        rollups = cls.__new__(cls)
        rollups._lock = threading.Lock()
        try:
            rollups._database = duckdb.connect(str(file), read_only=True, config={"threads": 1})
        except duckdb.Error as error:
            raise Unavailable(f"DuckDB does not open {file.name}: {error}") from error
        return rollups

    def replace(self, pane_ms: int, sales: Sequence[Sale]) -> None:
        self.load({pane_ms: sales})

    def load(self, panes: Mapping[int, Sequence[Sale]]) -> None:
        """Replaces many panes in one transaction."""
        rows = [(pane_ms, sale) for pane_ms, sales in panes.items() for sale in sales]
        # Columns that DuckDB reads where they are: seven times as fast as values that are handed over.
        columns = {
            "pane_ms": np.array([pane_ms for pane_ms, _ in rows], np.int64),
            "category": np.array([sale.category for _, sale in rows], object),
            "pid": np.array([sale.pid for _, sale in rows], object),
            "units": np.array([sale.units for _, sale in rows], np.int64),
            "views": np.array([sale.views for _, sale in rows], np.int64),
        }
        try:
            with self._lock, self._database.cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM sales WHERE pane_ms IN (SELECT unnest(?::BIGINT[]))", [list(panes)])
                if rows:
                    cursor.register("coming", columns)
                    cursor.execute("INSERT INTO sales SELECT * FROM coming")
                cursor.commit()
        except duckdb.Error as error:
            raise Unavailable(f"DuckDB does not take a pane: {error}") from error

    def best_sellers(
        self, category: str, now_ms: int, limit: int, weights: Weights = DEFAULT_WEIGHTS
    ) -> Sequence[tuple[str, float]]:
        values = {
            "category": category,
            "now": now_ms,
            "hour_ago": now_ms - HOUR_MS,
            "day_ago": now_ms - DAY_MS,
            "hour": weights.hour,
            "day": weights.day,
            "views": weights.views,
            "limit": limit,
        }
        try:
            with self._lock, self._database.cursor() as cursor:
                rows = cursor.execute(_BEST, values).fetchall()
        except duckdb.Error as error:
            raise Unavailable(f"DuckDB does not answer: {error}") from error
        return [(pid, score) for pid, score in rows]

    def close(self) -> None:
        self._database.close()


def _opened_to_write(file: Path, pause: Callable[[float], object]) -> duckdb.DuckDBPyConnection:
    ends_at = time.monotonic() + READERS_S
    while True:
        try:
            return duckdb.connect(str(file), config={"threads": 1})
        except duckdb.IOException as error:
            if "lock" not in str(error) or time.monotonic() > ends_at:
                raise
            pause(_PAUSE_S)
