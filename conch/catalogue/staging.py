"""Rows on their way in: in temporary tables of SQLite until all are read, then taken over in one transaction.

What a row leaves out stays as it is; the defaults are for what is new.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from conch.catalogue.records import PATIENCE_S
from conch.contracts.errors import Unavailable
from conch.contracts.provenance import NO_REASON

AT_ONCE = 500

_TABLES = """
CREATE TEMP TABLE staged_products
  (master INTEGER PRIMARY KEY, key TEXT NOT NULL, name TEXT, description TEXT, category INTEGER, brand INTEGER);
CREATE TEMP TABLE staged_offers
  (pid INTEGER PRIMARY KEY, key TEXT NOT NULL, master INTEGER NOT NULL, price REAL NOT NULL, seller INTEGER,
   rating REAL, stock INTEGER);
"""

_STAGE_PRODUCT = """
INSERT INTO staged_products VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (master) DO UPDATE SET
  name = coalesce(excluded.name, name), description = coalesce(excluded.description, description),
  category = coalesce(excluded.category, category), brand = coalesce(excluded.brand, brand)
"""

_TAKE_PRODUCTS = f"""
INSERT OR REPLACE INTO products
SELECT master, key, name, description, category, brand, :now FROM (
  SELECT staged.master, coalesce(old.key, staged.key) AS key, coalesce(staged.name, old.name, '') AS name,
    coalesce(staged.description, old.description, '') AS description,
    coalesce(staged.category, old.category, {NO_REASON}) AS category,
    coalesce(staged.brand, old.brand, {NO_REASON}) AS brand
  FROM staged_products AS staged LEFT JOIN products AS old USING (master)) AS new
WHERE NOT EXISTS (
  SELECT 1 FROM products AS old WHERE old.master = new.master AND old.name = new.name
    AND old.description = new.description AND old.category = new.category AND old.brand = new.brand)
"""

_TAKE_OFFERS = """
INSERT OR REPLACE INTO product_offers
SELECT staged.pid, coalesce(old.key, staged.key), staged.master, staged.price,
  coalesce(staged.seller, old.seller, :seller), coalesce(staged.rating, old.rating, :rating),
  coalesce(staged.stock, old.stock, :stock)
FROM staged_offers AS staged LEFT JOIN product_offers AS old USING (pid)
"""


class Staging:
    """Raises Unavailable and nothing else."""

    def __init__(self, file: Path) -> None:
        """Of a file that has the tables of the records."""
        try:
            self._database = sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)
            self._database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not stage rows: {error}") from error

    def stage(self, products: Iterable[tuple[object, ...]], offers: Iterable[tuple[object, ...]]) -> None:
        """Rows as the temporary tables have them; a later row of a pid replaces an earlier one."""
        try:
            self._database.execute("BEGIN")
            self._database.executemany(_STAGE_PRODUCT, products)
            self._database.executemany("INSERT OR REPLACE INTO staged_offers VALUES (?, ?, ?, ?, ?, ?, ?)", offers)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not stage rows: {error}") from error

    def masters_of(self, pids: Sequence[int]) -> dict[int, int]:
        """Of those that are staged, or else recorded."""
        found: dict[int, int] = {}
        for table in ("product_offers", "staged_offers"):
            for at in range(0, len(pids), AT_ONCE):
                some = pids[at : at + AT_ONCE]
                marks = ",".join("?" * len(some))
                found.update(self._all(f"SELECT pid, master FROM {table} WHERE pid IN ({marks})", some))
        return found

    def masters(self) -> list[int]:
        """Whose offers are staged, ascending."""
        return [master for (master,) in self._all("SELECT DISTINCT master FROM staged_offers ORDER BY master", [])]

    def new_masters(self) -> list[int]:
        """Those that are not recorded, ascending."""
        query = "SELECT master FROM staged_products WHERE master NOT IN (SELECT master FROM products) ORDER BY master"
        return [master for (master,) in self._all(query, [])]

    def take(
        self, categories: Iterable[tuple[object, ...]], *, seller: int, rating: float, stock: int, now_ms: int
    ) -> None:
        """All or nothing. `categories` as the records have them."""
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("INSERT OR REPLACE INTO product_categories VALUES (?,?,?,?,?)", categories)
                self._database.execute(_TAKE_PRODUCTS, {"now": now_ms})
                self._database.execute(_TAKE_OFFERS, {"seller": seller, "rating": rating, "stock": stock})
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not take the records: {error}") from error

    def close(self) -> None:
        self._database.close()

    def _all(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not answer: {error}") from error
