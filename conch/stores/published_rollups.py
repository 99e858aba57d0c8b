"""Rollups as their writer published them last: who reads and who writes never meet.

A generation (generations.py) is one Parquet file of the last days, ordered by category: a question reads the row groups
of one.
"""

import threading
from collections.abc import Sequence
from glob import escape
from pathlib import Path

import duckdb

from conch.contracts.errors import Unavailable
from conch.stores import generations
from conch.stores.rollups import DAY_MS, DEFAULT_WEIGHTS, HOUR_MS, Rollups, Weights

SALES = "sales.parquet"

KEPT_MS = 2 * DAY_MS
"""Up to the newest pane: a day is asked for, and clocks differ."""

MEMORY = "256MB"
"""It remembers what it has read of generations, and would take most of the machine's."""

BEST = """
SELECT pid, sum(units * ($day + CASE WHEN pane_ms > $hour_ago THEN $hour ELSE 0 END) + views * $views)::DOUBLE AS score
FROM {sales} WHERE category = $category AND pane_ms > $day_ago AND pane_ms <= $now
GROUP BY pid HAVING score > 0 ORDER BY score DESC, pid LIMIT $limit
"""
"""The answer, wherever the rows of sales stand."""

_PUBLISHED = """
COPY (SELECT * FROM sales WHERE pane_ms > (SELECT max(pane_ms) FROM sales) - $kept ORDER BY category, pid, pane_ms)
TO {file} (FORMAT parquet, ROW_GROUP_SIZE 10240)
"""


class PublishedRollups(Rollups):
    def __init__(self, folder: Path) -> None:
        """Reads nothing yet. Whoever asks is told Unavailable while nothing is published."""
        self._folder = folder
        self._lock = threading.Lock()
        self._database = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": MEMORY})

    def best_sellers(
        self, category: str, now_ms: int, limit: int, weights: Weights = DEFAULT_WEIGHTS
    ) -> Sequence[tuple[str, float]]:
        values, generation = asked(category, now_ms, limit, weights), generations.current(self._folder)
        while True:
            file = generations.folder_of(self._folder, generation) / SALES
            try:
                with self._lock:
                    return self._database.execute(
                        BEST.format(sales=f"read_parquet({_quoted(escape(str(file)))})"), values
                    ).fetchall()
            except duckdb.Error as error:
                # Two were published meanwhile, and the one that was current is deleted.
                before, generation = generation, generations.current(self._folder)
                if generation == before:
                    raise Unavailable(f"no rollups can be read in {self._folder.name}: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._database.close()


def asked(category: str, now_ms: int, limit: int, weights: Weights) -> dict[str, str | int | float]:
    return {
        "category": category,
        "now": now_ms,
        "hour_ago": now_ms - HOUR_MS,
        "day_ago": now_ms - DAY_MS,
        "hour": weights.hour,
        "day": weights.day,
        "views": weights.views,
        "limit": limit,
    }


def publish(folder: Path, database: duckdb.DuckDBPyConnection) -> None:
    """The table `sales` of this database. Whoever writes it does this, and nobody else."""

    def write(staged: Path) -> None:
        database.execute(_PUBLISHED.format(file=_quoted(str(staged / SALES))), {"kept": KEPT_MS})

    generations.publish(folder, generations.current(folder) + 1, write)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
