"""Durable relations in one file: the tables of CQL, their maps as JSON.

A write is one transaction, documented row and packed row together, on disk when it returns.
"""

import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from conch.contracts.errors import Unavailable
from conch.stores.relations import Offers, PackedRow, Relations, SemanticRelations, Table
from conch.stores.stamps import is_newer

DEADLINE_S = 1.0
"""To wait for another writer."""

AT_ONCE = 500
"""Keys of one query: SQLite bounds its parameters."""

_TABLES = """
CREATE TABLE IF NOT EXISTS master_semantic_relations
  (master_id TEXT PRIMARY KEY, related_masters TEXT NOT NULL, inference_ts TEXT NOT NULL,
   inference_source TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS category_co_view_relations
  (cat_id TEXT PRIMARY KEY, related_cats TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS category_relations (cat_id TEXT PRIMARY KEY, related_cats TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS master_to_pids
  (master_id TEXT PRIMARY KEY, pids TEXT NOT NULL, metadata TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packed_features (key TEXT PRIMARY KEY, blob BLOB NOT NULL);
"""

Result = TypeVar("Result")


class SqliteRelations(Relations):
    def __init__(self, file: Path, deadline_s: float = DEADLINE_S) -> None:
        """Makes the file where there is none. Raises Unavailable."""
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, timeout=deadline_s, isolation_level=None, check_same_thread=False)
            # Readers and one writer at the same time; what is committed is on disk.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"SQLite does not open {file.name}: {error}") from error

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        ends = math.inf if within_s is None else time.monotonic() + within_s

        def found(database: sqlite3.Connection) -> dict[str, bytes]:
            rows: dict[str, bytes] = {}
            for at in range(0, len(keys), AT_ONCE):
                if time.monotonic() > ends:
                    raise Unavailable(f"SQLite has not read {len(keys)} rows within {within_s} s")
                some = keys[at : at + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows.update(database.execute(f"SELECT key, blob FROM packed_features WHERE key IN ({marks})", some))
            return rows

        blobs = self._run(found, within_s)
        return [blobs.get(key) for key in keys]

    def write(self, rows: Sequence[PackedRow]) -> None:
        self._transact(lambda database: [_put_packed(database, row) for row in rows])

    def load(self, table: Table, rows: Iterable[tuple[str, ...]], packed: Iterable[PackedRow]) -> None:
        """In one transaction; best in order of their keys."""

        def put(database: sqlite3.Connection) -> None:
            columns = len(database.execute(f"SELECT * FROM {table} LIMIT 0").description)
            database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({','.join('?' * columns)})", rows)
            blobs = ((row.key, row.blob) for row in packed)
            database.executemany("INSERT OR REPLACE INTO packed_features VALUES (?, ?)", blobs)

        self._transact(put)

    def semantic(self, master: UUID) -> SemanticRelations | None:
        row = self._row("related_masters, inference_ts, inference_source", "master_semantic_relations", str(master))
        if row is None:
            return None
        related = {UUID(other): score for other, score in json.loads(row[0]).items()}
        return SemanticRelations(related, datetime.fromisoformat(row[1]), row[2])

    def put_semantic(self, master: UUID, relations: SemanticRelations, packed: PackedRow) -> None:
        related = json.dumps({str(other): score for other, score in relations.related.items()})
        values = (str(master), related, relations.inference_ts.isoformat(), relations.inference_source)
        self._put("master_semantic_relations", values, packed)

    def masters(self) -> Iterator[UUID]:
        return self._keys("master_semantic_relations")

    def co_view(self, category: str) -> Mapping[str, float]:
        return self._related("category_co_view_relations", category)

    def put_co_view(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None:
        self._put("category_co_view_relations", (category, json.dumps(dict(related))), packed)

    def related_categories(self, category: str) -> Mapping[str, float]:
        return self._related("category_relations", category)

    def put_related_categories(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None:
        self._put("category_relations", (category, json.dumps(dict(related))), packed)

    def offers(self, master: UUID) -> Offers | None:
        row = self._row("pids, metadata", "master_to_pids", str(master))
        if row is None:
            return None
        metadata = {UUID(pid): text for pid, text in json.loads(row[1]).items()}
        return Offers([UUID(pid) for pid in json.loads(row[0])], metadata)

    def put_offers(self, master: UUID, offers: Offers, packed: PackedRow) -> None:
        pids = json.dumps([str(pid) for pid in offers.pids])
        metadata = json.dumps({str(pid): text for pid, text in offers.metadata.items()})
        self._put("master_to_pids", (str(master), pids, metadata), packed)

    def offered(self) -> Iterator[UUID]:
        return self._keys("master_to_pids")

    def delete(self, keys: Sequence[str]) -> None:
        self._transact(
            lambda database: database.executemany("DELETE FROM packed_features WHERE key = ?", [(key,) for key in keys])
        )

    def close(self) -> None:
        self._database.close()

    def _related(self, table: str, category: str) -> Mapping[str, float]:
        row = self._row("related_cats", table, category)
        related: dict[str, float] = json.loads(row[0]) if row is not None else {}
        return related

    def _keys(self, table: str) -> Iterator[UUID]:
        """In pages, so that a writer between two of them is not held up."""
        last = ""
        while True:
            page = self._run(
                lambda database, last=last: database.execute(  # type: ignore[misc]
                    f"SELECT master_id FROM {table} WHERE master_id > ? ORDER BY master_id LIMIT {AT_ONCE}", (last,)
                ).fetchall()
            )
            yield from (UUID(key) for (key,) in page)
            if len(page) < AT_ONCE:
                return
            last = page[-1][0]

    def _row(self, columns: str, table: str, key: str) -> tuple[str, ...] | None:
        name = "master_id" if table.startswith("master") else "cat_id"
        query = f"SELECT {columns} FROM {table} WHERE {name} = ?"
        row: tuple[str, ...] | None = self._run(lambda database: database.execute(query, (key,)).fetchone())
        return row

    def _put(self, table: str, values: tuple[str, ...], packed: PackedRow) -> None:
        marks = ",".join("?" * len(values))

        def put(database: sqlite3.Connection) -> None:
            if _put_packed(database, packed):
                database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)

        self._transact(put)

    def _transact(self, call: Callable[[sqlite3.Connection], Result]) -> Result:
        def within(database: sqlite3.Connection) -> Result:
            database.execute("BEGIN IMMEDIATE")
            try:
                result = call(database)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            return result

        return self._run(within)

    def _run(self, call: Callable[[sqlite3.Connection], Result], within_s: float | None = None) -> Result:
        if not self._lock.acquire(timeout=-1 if within_s is None else max(within_s, 0.0)):
            raise Unavailable(f"SQLite is busy with another call for more than {within_s} s")
        try:
            return call(self._database)
        except sqlite3.Error as error:
            raise Unavailable(f"SQLite does not answer: {error}") from error
        finally:
            self._lock.release()


def _put_packed(database: sqlite3.Connection, row: PackedRow) -> bool:
    """False where a newer stamp stands there."""
    standing = database.execute("SELECT blob FROM packed_features WHERE key = ?", (row.key,)).fetchone()
    if standing is not None and is_newer(standing[0], row.blob):
        return False
    database.execute("INSERT OR REPLACE INTO packed_features VALUES (?, ?)", (row.key, row.blob))
    return True
