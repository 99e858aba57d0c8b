"""Rollups in one DuckDB file, which its writer alone opens, and publishes for who reads (published_rollups.py)."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np

from conch.contracts.errors import Unavailable
from conch.stores import generations
from conch.stores.published_rollups import BEST, asked, publish
from conch.stores.rollups import DEFAULT_WEIGHTS, Sale, Weights, WrittenRollups

_TABLE = """
CREATE TABLE IF NOT EXISTS sales
  (pane_ms BIGINT NOT NULL, category VARCHAR NOT NULL, pid VARCHAR NOT NULL, units BIGINT NOT NULL,
   views BIGINT NOT NULL)
"""


class DuckDbRollups(WrittenRollups):
    def __init__(self, file: Path, published: Path) -> None:
        """Makes the file where there is none. Raises Unavailable, as where another process has it open."""
        self._lock = threading.Lock()
        self._published = published
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = duckdb.connect(str(file), config={"threads": 1})
            self._database.execute(_TABLE)
        except (OSError, duckdb.Error) as error:
            raise Unavailable(f"DuckDB does not open {file.name}: {error}") from error
        self._is_new = generations.current(published) == 0

    def replace(self, pane_ms: int, sales: Sequence[Sale]) -> None:
        self.load({pane_ms: sales})
        self._publish()

    def load(self, panes: Mapping[int, Sequence[Sale]]) -> None:
        """Replaces many panes in one transaction. They are published with the next `replace`, or by `close`."""
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
                self._is_new = True
        except duckdb.Error as error:
            raise Unavailable(f"DuckDB does not take a pane: {error}") from error

    def best_sellers(
        self, category: str, now_ms: int, limit: int, weights: Weights = DEFAULT_WEIGHTS
    ) -> Sequence[tuple[str, float]]:
        values = asked(category, now_ms, limit, weights)
        try:
            with self._lock, self._database.cursor() as cursor:
                rows = cursor.execute(BEST.format(sales="sales"), values).fetchall()
        except duckdb.Error as error:
            raise Unavailable(f"DuckDB does not answer: {error}") from error
        return [(pid, score) for pid, score in rows]

    def close(self) -> None:
        """Raises Unavailable where what is new cannot be published; it stays in the file."""
        try:
            if self._is_new:
                self._publish()
        finally:
            self._database.close()

    def _publish(self) -> None:
        try:
            with self._lock, self._database.cursor() as cursor:
                publish(self._published, cursor)
                self._is_new = False
        except (OSError, duckdb.Error) as error:
            raise Unavailable(f"DuckDB does not publish its rollups: {error}") from error
