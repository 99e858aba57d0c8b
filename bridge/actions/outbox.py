"""Every command that was ever acted on, or may have been: SQLite, on disk before anything is done.

A command is refused whose samples overlap those of one recorded for the same tenant, device and session: utterances
never overlap, so it is audio that was sent again, however a detector cut it the second time.

Blocks: call it in a thread. Safe to call from several.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.actions.order import Kind, Order, State
from bridge.events import Span
from bridge.wearer import Wearer
from conch.contracts.errors import Internal, Unavailable
from conch.contracts.topics import DeviceId

PRUNE_EVERY = 256
"""Claims between two looks at what is old."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    id INTEGER PRIMARY KEY, command_id TEXT NOT NULL, tenant TEXT NOT NULL, device TEXT NOT NULL,
    session TEXT NOT NULL, numbered INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, at_s REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS commands_at ON commands (at_s);
CREATE INDEX IF NOT EXISTS commands_open ON commands (state) WHERE state IN ('claimed', 'begun');
CREATE TABLE IF NOT EXISTS samples (
    command INTEGER NOT NULL REFERENCES commands ON DELETE CASCADE, tenant TEXT NOT NULL, device TEXT NOT NULL,
    session TEXT NOT NULL, first INTEGER NOT NULL, after INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS samples_place ON samples (tenant, device, session, after);
CREATE INDEX IF NOT EXISTS samples_command ON samples (command);
CREATE TABLE IF NOT EXISTS questions (
    tenant TEXT NOT NULL, device TEXT NOT NULL, session TEXT NOT NULL, numbered INTEGER NOT NULL,
    command_id TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (tenant, device, session)) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A command as it stands in the outbox."""

    number: int
    command_id: str
    wearer: Wearer
    kind: Kind
    subject: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """An order that is none: these samples were acted on."""

    recorded: Recorded
    is_same: bool
    """Most of its samples are that command's; else there may be more in it than was acted on."""


@dataclass(frozen=True, slots=True)
class Question:
    """Asked, and not answered."""

    wearer: Wearer
    command_id: str
    kind: Kind


class Outbox:
    def __init__(self, file: Path, max_age_s: float, max_commands: int, clock: Callable[[], float] = time.time) -> None:
        """What is settled and older, or beyond the number, is forgotten; what is open never is."""
        self._file = file
        self._max_age_s = max_age_s
        self._max_commands = max_commands
        self._clock = clock
        self._lock = threading.Lock()
        self._claims = 0
        self._database: sqlite3.Connection

    def open(self) -> None:
        """Raises Unavailable, as everything here does where the disk fails."""
        with self._talking():
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
            mode = self._database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise Internal(f"the outbox {self._file} is kept by {mode}, not by a write-ahead log")
            # Each commit is on disk before it returns.
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA)
            self._prune()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def claim(self, order: Order) -> int | Repeat:
        """The order's number, for this caller alone and for ever; or what was recorded of its samples before."""
        with self._writing() as database:
            recorded = self._overlapping(order)
            if recorded is not None:
                return Repeat(recorded, self._is_same(recorded, order))
            wearer = order.wearer
            number = database.execute(
                "INSERT INTO commands (command_id, tenant, device, session, numbered, kind, subject, state, reason,"
                " at_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?)",
                (
                    order.command_id,
                    *_place(wearer),
                    wearer.numbered,
                    order.kind,
                    order.subject,
                    State.CLAIMED,
                    self._clock(),
                ),
            ).lastrowid
            database.executemany(
                "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?)",
                [(number, *_place(wearer), span.first, span.after) for span in map(_solid, order.samples)],
            )
            self._claims += 1
            if self._claims % PRUNE_EVERY == 0:
                self._prune()
        assert number is not None
        return number

    def begin(self, number: int) -> None:
        """From now on it may have been done."""
        self._move(number, (State.CLAIMED,), State.BEGUN, "")

    def settle(self, number: int, state: State, reason: str = "") -> None:
        self._move(number, (State.CLAIMED, State.BEGUN), state, reason)

    def unsettled(self) -> list[Recorded]:
        """What a bridge that ended has left, the oldest first."""
        with self._talking():
            rows = self._database.execute(f"{_SELECT} WHERE state IN ('claimed', 'begun') ORDER BY id").fetchall()
        return [_recorded(row) for row in rows]

    def ask(self, question: Question) -> None:
        """In place of the session's question before."""
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?, ?, ?)",
                (*_place(question.wearer), question.wearer.numbered, question.command_id, question.kind),
            )

    def answered(self, wearer: Wearer) -> None:
        with self._writing() as database:
            database.execute("DELETE FROM questions WHERE tenant = ? AND device = ? AND session = ?", _place(wearer))

    def questions(self) -> list[Question]:
        with self._talking():
            rows = self._database.execute("SELECT * FROM questions ORDER BY rowid").fetchall()
        return [Question(_wearer(*row[:4]), row[4], Kind(row[5])) for row in rows]

    def _move(self, number: int, before: Sequence[State], after: State, reason: str) -> None:
        with self._writing() as database:
            marks = ", ".join("?" * len(before))
            moved = database.execute(
                f"UPDATE commands SET state = ?, reason = ? WHERE id = ? AND state IN ({marks})",
                (after, reason, number, *before),
            ).rowcount
        if moved != 1:
            raise Internal(f"command {number} of the outbox is not {' or '.join(before)}, and cannot be {after}")

    def _overlapping(self, order: Order) -> Recorded | None:
        for span in map(_solid, order.samples):
            row = self._database.execute(
                f"{_SELECT} WHERE id = (SELECT command FROM samples WHERE tenant = ? AND device = ? AND session = ?"
                " AND after > ? AND first < ? ORDER BY command DESC LIMIT 1)",
                (*_place(order.wearer), span.first, span.after),
            ).fetchone()
            if row is not None:
                return _recorded(row)
        return None

    def _is_same(self, recorded: Recorded, order: Order) -> bool:
        rows = self._database.execute("SELECT first, after FROM samples WHERE command = ?", (recorded.number,))
        known = [Span(*row) for row in rows]
        asked = [_solid(span) for span in order.samples]
        shared = sum(max(0, min(a.after, b.after) - max(a.first, b.first)) for a in asked for b in known)
        return 2 * shared > sum(span.after - span.first for span in asked)

    def _prune(self) -> None:
        settled = "state NOT IN ('claimed', 'begun')"
        self._database.execute(f"DELETE FROM commands WHERE {settled} AND at_s < ?", (self._clock() - self._max_age_s,))
        self._database.execute(
            f"DELETE FROM commands WHERE {settled} AND id <= (SELECT id FROM commands ORDER BY id DESC LIMIT 1"
            " OFFSET ?)",
            (self._max_commands,),
        )

    @contextmanager
    def _talking(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise Unavailable(f"the outbox {self._file} cannot be used: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, on disk when this is left."""
        with self._talking():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


_SELECT = "SELECT id, command_id, tenant, device, session, numbered, kind, subject, state, reason FROM commands"


def _place(wearer: Wearer) -> tuple[str, str, str]:
    return wearer.device.tenant, wearer.device.device, wearer.session


def _wearer(tenant: str, device: str, session: str, numbered: int) -> Wearer:
    return Wearer(DeviceId(tenant, device), session, bool(numbered))


def _recorded(row: Sequence[object]) -> Recorded:
    number, command_id, tenant, device, session, numbered, kind, subject, state, reason = row
    wearer = _wearer(str(tenant), str(device), str(session), int(str(numbered)))
    return Recorded(
        int(str(number)), str(command_id), wearer, Kind(str(kind)), str(subject), State(str(state)), str(reason)
    )


def _solid(span: Span) -> Span:
    """A range without samples would overlap nothing, and be acted on whenever it comes."""
    return Span(span.first, max(span.after, span.first + 1))
