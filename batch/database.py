"""What a job keeps in the catalogue's SQLite file, beside the documented tables and the importer's."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from conch.contracts.errors import Unavailable

PATIENCE_S = 30.0
"""For who imports, or writes features, into the same file."""

_TABLES = """
CREATE TABLE IF NOT EXISTS title_vectors
  (embedding TEXT NOT NULL, master INTEGER NOT NULL, digest BLOB NOT NULL, revision INTEGER NOT NULL,
   vector BLOB NOT NULL, PRIMARY KEY (embedding, master)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS title_vectors_by_revision ON title_vectors (embedding, revision, master);
CREATE TABLE IF NOT EXISTS related_masters
  (master INTEGER PRIMARY KEY, embedding TEXT NOT NULL, digest BLOB NOT NULL, run INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS relation_runs
  (run INTEGER PRIMARY KEY, embedding TEXT NOT NULL, scope TEXT NOT NULL, ended INTEGER NOT NULL);
"""


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A statement is a transaction of its own unless one is begun. Raises Unavailable, also for what happens inside."""
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)
            yield database
    except sqlite3.Error as error:
        raise Unavailable(f"SQLite does not answer for {file.name}: {error}") from error
