"""What was imported, by dense id: names and titles as their owners write them, and the facts of a snapshot.

Tables of ours beside the documented ones in a catalogue's SQLite file. Written by who holds the lease.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Unavailable
from conch.contracts.provenance import NO_REASON
from conch.features.wares import Wares
from conch.stores.ids import IdIndex, Kind
from conch.stores.snapshot import F4, U4

F8 = npt.NDArray[np.float64]

PATIENCE_S = 10.0
"""For who writes features into the same file."""

AT_ONCE = 10_000

MADE_UP = "made up"
"""What the records say of a made-up catalogue: its order."""

_TABLES = """
CREATE TABLE IF NOT EXISTS products
  (master INTEGER PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
   category INTEGER NOT NULL, brand INTEGER NOT NULL, changed_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS product_offers
  (pid INTEGER PRIMARY KEY, key TEXT NOT NULL, master INTEGER NOT NULL, price REAL NOT NULL, seller INTEGER NOT NULL,
   rating REAL NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS product_categories
  (category INTEGER PRIMARY KEY, key TEXT NOT NULL, alias TEXT NOT NULL, name TEXT NOT NULL, parent INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS catalogue (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Product:
    """A row of `products`."""

    master: int
    key: str
    """As its owner calls it."""
    name: str
    description: str
    category: int
    brand: int
    changed_ms: int
    """When its name, description, category or brand was written last as something else."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A row of `product_offers`."""

    pid: int
    key: str
    master: int
    price: float
    seller: int
    rating: float
    stock: int


@dataclass(frozen=True, slots=True)
class Category:
    """A row of `product_categories`."""

    category: int
    key: str
    """What it is called in keys and requests."""
    alias: str
    """What rows of products may call it, too; empty: nothing else."""
    name: str
    parent: int


class Records:
    """Raises Unavailable and nothing else."""

    def __init__(self, file: Path) -> None:
        """Makes the tables where there are none."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"SQLite does not open {file.name}: {error}") from error

    def save(
        self,
        products: Iterable[tuple[object, ...]] = (),
        offers: Iterable[tuple[object, ...]] = (),
        categories: Iterable[tuple[object, ...]] = (),
    ) -> None:
        """Rows as the fields of Product, Offer and Category, all in one transaction; one that stands is replaced."""
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("INSERT OR REPLACE INTO products VALUES (?,?,?,?,?,?,?)", products)
                self._database.executemany("INSERT OR REPLACE INTO product_offers VALUES (?,?,?,?,?,?,?)", offers)
                self._database.executemany("INSERT OR REPLACE INTO product_categories VALUES (?,?,?,?,?)", categories)
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not take the records: {error}") from error

    def products(self, masters: Sequence[int] | None = None) -> Iterator[Product]:
        """In the order of their ids: of these, or all."""
        yield from (Product(*row) for row in self._rows("products", "master", masters))

    def offers(self, pids: Sequence[int] | None = None) -> Iterator[Offer]:
        yield from (Offer(*row) for row in self._rows("product_offers", "pid", pids))

    def offers_of(self, masters: Sequence[int]) -> Iterator[Offer]:
        """Those of a master one after the other."""
        yield from (Offer(*row) for row in self._rows("product_offers", "master", masters))

    def categories(self) -> Iterator[Category]:
        yield from (Category(*row) for row in self._rows("product_categories", "category", None))

    def changed_since(self, changed_ms: int) -> list[int]:
        """Masters whose product changed at that time or later, ascending."""
        query = "SELECT master FROM products WHERE changed_ms >= ? ORDER BY master"
        return [master for (master,) in self._all(query, [changed_ms])]

    def says(self, name: str) -> str:
        """What the catalogue says of itself; empty where it says nothing."""
        rows = self._all("SELECT value FROM catalogue WHERE name = ?", [name])
        return str(rows[0][0]) if rows else ""

    def say(self, name: str, value: str) -> None:
        self._all("INSERT OR REPLACE INTO catalogue VALUES (?, ?)", [name, value])

    def wares(self, ids: IdIndex) -> Wares:
        """Everything, as columns by dense id."""
        masters, pids, categories = (ids.size(kind) for kind in (Kind.MASTERS, Kind.PIDS, Kind.CATEGORIES))
        product = self._columns("SELECT master, category, brand FROM products", 3)
        offer = self._columns("SELECT pid, master, price, seller, rating, stock FROM product_offers", 6)
        category = self._columns("SELECT category, parent FROM product_categories", 2)
        return Wares(
            master_category=_spread(masters, product[0], product[1]),
            master_brand=_spread(masters, product[0], product[2]),
            pid_master=_spread(pids, offer[0], offer[1]),
            pid_price=_amounts(pids, offer[0], offer[2]),
            pid_seller=_spread(pids, offer[0], offer[3]),
            pid_rating=_amounts(pids, offer[0], offer[4]),
            pid_stock=_amounts(pids, offer[0], np.minimum(offer[5], 1)).astype(np.uint8),
            category_parent=_spread(categories, category[0], category[1]),
        )

    def close(self) -> None:
        self._database.close()

    def _rows(self, table: str, column: str, values: Sequence[int] | None) -> Iterator[tuple[Any, ...]]:
        if values is None:
            yield from self._pages(f"SELECT * FROM {table} ORDER BY {column}")
            return
        for at in range(0, len(values), 500):
            some = [int(value) for value in values[at : at + 500]]
            marks = ",".join("?" * len(some))
            yield from self._all(f"SELECT * FROM {table} WHERE {column} IN ({marks}) ORDER BY {column}, 1", some)

    def _pages(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            cursor = self._database.execute(query)
            while page := cursor.fetchmany(AT_ONCE):
                yield from page
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not answer: {error}") from error

    def _columns(self, query: str, width: int) -> F8:
        """(columns, rows); ids stay exact below 2^53."""
        pages: list[F8] = []
        try:
            cursor = self._database.execute(query)
            while page := cursor.fetchmany(AT_ONCE):
                pages.append(np.array(page, np.float64))
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not answer: {error}") from error
        return np.concatenate(pages).T if pages else np.zeros((width, 0))

    def _all(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not answer: {error}") from error


def _spread(size: int, ids: F8, values: F8) -> U4:
    column = np.full(size, NO_REASON, np.uint32)
    column[ids.astype(np.int64)] = values.astype(np.uint32)
    return column


def _amounts(size: int, ids: F8, values: F8) -> F4:
    column = np.zeros(size, np.float32)
    column[ids.astype(np.int64)] = values
    return column
