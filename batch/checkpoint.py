"""How far a run has come: of each master in which run its relations were written, and of which title."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from batch.vectors import AT_ONCE
from conch.stores.meanings import U4


@dataclass(frozen=True, slots=True)
class Written:
    embedding: str
    digest: bytes
    run: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    database: sqlite3.Connection
    run: int
    resumed: bool
    """The run before was ended by something else than its end; this one goes on with it."""

    @classmethod
    def begin(cls, database: sqlite3.Connection, embedding: str, scope: str) -> "Checkpoint":
        """`scope` is what the run was told to do: a run that was told something else is not gone on with."""
        last = database.execute("SELECT run, embedding, scope, ended FROM relation_runs ORDER BY run DESC").fetchone()
        if last is not None and last[1:] == (embedding, scope, 0):
            return cls(database, last[0], resumed=True)
        run = 1 if last is None else last[0] + 1
        database.execute("INSERT INTO relation_runs VALUES (?,?,?,0)", (run, embedding, scope))
        return cls(database, run, resumed=False)

    def written(self, masters: U4) -> Mapping[int, Written]:
        found: dict[int, Written] = {}
        for at in range(0, len(masters), AT_ONCE):
            some = masters[at : at + AT_ONCE].tolist()
            marks = ",".join("?" * len(some))
            query = f"SELECT master, embedding, digest, run FROM related_masters WHERE master IN ({marks})"
            found.update((master, Written(*rest)) for master, *rest in self.database.execute(query, some))
        return found

    def wrote(self, embedding: str, digests: Mapping[int, bytes]) -> None:
        """After the stores have them: a master that is written twice is written the same."""
        rows = [(master, embedding, digest, self.run) for master, digest in digests.items()]
        with self.database:
            self.database.execute("BEGIN IMMEDIATE")
            self.database.executemany("INSERT OR REPLACE INTO related_masters VALUES (?,?,?,?)", rows)

    def end(self) -> None:
        self.database.execute("UPDATE relation_runs SET ended = 1 WHERE run = ?", (self.run,))
