"""Vectors of titles, kept: what was embedded once, by one version of the embedding, is not embedded again.

Each has a revision that only grows, so that an index knows which vectors came after it.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from batch.titles import Title
from conch.stores.meanings import F4, U4

AT_ONCE = 500
"""Masters of one query: SQLite bounds its parameters."""

PAGE = 10_000

_KEPT = np.dtype("<f2")
"""Half the bytes of what came; a cosine differs by 1e-4."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Of one version of the embedding."""

    database: sqlite3.Connection
    embedding: str

    def digests(self, masters: U4) -> Mapping[int, bytes]:
        """Of the titles that were embedded."""
        return dict(self._rows("master, digest", masters))

    def save(self, titles: Sequence[Title], vectors: F4) -> None:
        """All or none."""
        revision = self.revision + 1
        rows = [
            (self.embedding, title.master, title.digest, revision, vector.astype(_KEPT).tobytes())
            for title, vector in zip(titles, vectors, strict=True)
        ]
        with self.database:
            self.database.execute("BEGIN IMMEDIATE")
            self.database.executemany("INSERT OR REPLACE INTO title_vectors VALUES (?,?,?,?,?)", rows)

    @property
    def revision(self) -> int:
        """Of the newest; 0 where there is none."""
        query = "SELECT max(revision) FROM title_vectors WHERE embedding = ?"
        return int(self.database.execute(query, (self.embedding,)).fetchone()[0] or 0)

    def since(self, revision: int) -> U4:
        """Masters whose vector is newer, ascending."""
        query = "SELECT master FROM title_vectors WHERE embedding = ? AND revision > ? ORDER BY master"
        rows = self.database.execute(query, (self.embedding, revision))
        return np.fromiter((master for (master,) in rows), np.uint32)

    def of(self, masters: U4) -> tuple[U4, F4]:
        """Of those that have one, by id, (masters, width)."""
        rows = sorted(self._rows("master, vector", masters))
        found = np.array([master for master, _ in rows], np.uint32)
        joined = np.frombuffer(b"".join(vector for _, vector in rows), _KEPT)
        return found, joined.reshape(len(rows), -1 if rows else 0).astype(np.float32)

    def pages(self, masters: U4, size: int = PAGE) -> Iterator[tuple[U4, F4]]:
        for at in range(0, len(masters), size):
            yield self.of(masters[at : at + size])

    def _rows(self, columns: str, masters: U4) -> Iterator[tuple[int, bytes]]:
        for at in range(0, len(masters), AT_ONCE):
            some = masters[at : at + AT_ONCE].tolist()
            marks = ",".join("?" * len(some))
            query = f"SELECT {columns} FROM title_vectors WHERE embedding = ? AND master IN ({marks})"
            yield from self.database.execute(query, (self.embedding, *some)).fetchall()
