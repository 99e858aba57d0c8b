"""Durable relations in ScyllaDB or Apache Cassandra: the documented tables, and one packed row an entity.

A write bears the time of its stamp (`timestamp_of`), in place of a transaction: the nodes themselves keep what is
newer. The packed row that stands there is read first, for what a time cannot tell: an epoch, an equal stamp.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from conch.contracts.features import Stamp, Unreadable, stamp_of
from conch.stores.batches import batches
from conch.stores.cql import Cql, Row, Statement
from conch.stores.cql_servers import CqlServers
from conch.stores.relations import Offers, PackedRow, Relations, SemanticRelations, Table
from conch.stores.rows import typed
from conch.stores.stamps import is_newer

DEADLINE_S = 0.1
"""Of a read: somebody waits for what comes after."""

WRITE_DEADLINE_S = 2.0
"""Of each step of a write, and of each page of a whole table."""

REVISIONS = 1_000
"""Of one window that a time tells apart; later ones are told by what stands there."""

AT_ONCE = 500
"""Rows of one step of a load."""

UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
"""Of relations that somebody wrote without one: old ones."""

_READ = Statement("SELECT blob FROM packed_features WHERE key = ?", quorum=False)
_STANDING = Statement("SELECT blob, WRITETIME(blob) FROM packed_features WHERE key = ?")
_PACKED = Statement("INSERT INTO packed_features (key, blob) VALUES (?, ?) USING TIMESTAMP ?")
_DELETE = Statement("DELETE FROM packed_features USING TIMESTAMP ? WHERE key = ?")

_GET = {
    Table.SEMANTIC: Statement(
        "SELECT related_masters, inference_ts, inference_source FROM master_semantic_relations WHERE master_id = ?"
    ),
    Table.CO_VIEW: Statement("SELECT related_cats FROM category_co_view_relations WHERE cat_id = ?"),
    Table.RELATED_CATEGORIES: Statement("SELECT related_cats FROM category_relations WHERE cat_id = ?"),
    Table.OFFERS: Statement("SELECT pids, metadata FROM master_to_pids WHERE master_id = ?"),
}
_PUT = {
    Table.SEMANTIC: Statement(
        "INSERT INTO master_semantic_relations (master_id, related_masters, inference_ts, inference_source)"
        " VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
    ),
    Table.CO_VIEW: Statement(
        "INSERT INTO category_co_view_relations (cat_id, related_cats) VALUES (?, ?) USING TIMESTAMP ?"
    ),
    Table.RELATED_CATEGORIES: Statement(
        "INSERT INTO category_relations (cat_id, related_cats) VALUES (?, ?) USING TIMESTAMP ?"
    ),
    Table.OFFERS: Statement(
        "INSERT INTO master_to_pids (master_id, pids, metadata) VALUES (?, ?, ?) USING TIMESTAMP ?"
    ),
}
_LIST = {
    Table.SEMANTIC: Statement("SELECT master_id FROM master_semantic_relations"),
    Table.OFFERS: Statement("SELECT master_id FROM master_to_pids"),
}
STATEMENTS = (_READ, _STANDING, _PACKED, _DELETE, *_GET.values(), *_PUT.values(), *_LIST.values())


def timestamp_of(stamp: Stamp) -> int:
    """Microseconds, the time of a write in CQL: near the clock, so that who writes with plain CQL writes as of now, and
    nodes that refuse the future take it. Keeps the order of (window end, revision); an epoch has no place in it."""
    return stamp.window_end_ms * 1_000 + min(stamp.revision, REVISIONS - 1)


class CqlRelations(Relations):
    def __init__(
        self,
        servers: CqlServers,
        keyspace: str,
        *,
        deadline_s: float = DEADLINE_S,
        write_deadline_s: float = WRITE_DEADLINE_S,
    ) -> None:
        self._cql = Cql(servers, keyspace, STATEMENTS)
        self._deadline_s = deadline_s
        self._write_deadline_s = write_deadline_s

    def begin(self) -> None:
        """Connects, and does not wait for it; without it the first call does."""
        self._cql.begin()

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        most_s = self._deadline_s if within_s is None else min(within_s, self._deadline_s)
        found = self._cql.ask(_READ, [(key,) for key in keys], most_s)
        return [rows[0][0] if rows else None for rows in found]

    def write(self, rows: Sequence[PackedRow]) -> None:
        self._write(_PACKED, [(row.key, row.blob, at) for row, at in self._due(_newest(rows))])

    def load(self, table: Table, rows: Iterable[tuple[str, ...]], packed: Iterable[PackedRow]) -> None:
        """As of now: what comes later is newer, whatever its stamp."""
        now = time.time_ns() // 1_000
        for some in batches(rows, AT_ONCE):
            self._write(_PUT[table], [(*typed(table, row), now) for row in some])
        for blobs in batches(packed, AT_ONCE):
            self._write(_PACKED, [(row.key, row.blob, now) for row in blobs])

    def semantic(self, master: UUID) -> SemanticRelations | None:
        row = self._row(Table.SEMANTIC, master)
        if row is None:
            return None
        related, made, source = row
        made = made.replace(tzinfo=UTC) if made is not None else UNKNOWN_TIME
        return SemanticRelations(dict(related or {}), made, source or "")

    def put_semantic(self, master: UUID, relations: SemanticRelations, packed: PackedRow) -> None:
        values = (master, dict(relations.related), relations.inference_ts, relations.inference_source)
        self._put(Table.SEMANTIC, values, packed)

    def masters(self) -> Iterator[UUID]:
        return (master for (master,) in self._cql.rows(_LIST[Table.SEMANTIC], self._write_deadline_s))

    def co_view(self, category: str) -> Mapping[str, float]:
        return self._related(Table.CO_VIEW, category)

    def put_co_view(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None:
        self._put(Table.CO_VIEW, (category, dict(related)), packed)

    def related_categories(self, category: str) -> Mapping[str, float]:
        return self._related(Table.RELATED_CATEGORIES, category)

    def put_related_categories(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None:
        self._put(Table.RELATED_CATEGORIES, (category, dict(related)), packed)

    def offers(self, master: UUID) -> Offers | None:
        row = self._row(Table.OFFERS, master)
        if row is None:
            return None
        # What is empty is nothing in CQL.
        pids, metadata = row
        return Offers(list(pids or []), dict(metadata or {}))

    def put_offers(self, master: UUID, offers: Offers, packed: PackedRow) -> None:
        self._put(Table.OFFERS, (master, list(offers.pids), dict(offers.metadata)), packed)

    def offered(self) -> Iterator[UUID]:
        return (master for (master,) in self._cql.rows(_LIST[Table.OFFERS], self._write_deadline_s))

    def delete(self, keys: Sequence[str]) -> None:
        """What was deleted comes back by a newer stamp alone."""
        standing = zip(keys, self._standing(keys), strict=True)
        self._write(_DELETE, [(rows[0][1], key) for key, rows in standing if rows])

    def close(self) -> None:
        self._cql.close()

    def _related(self, table: Table, category: str) -> Mapping[str, float]:
        row = self._row(table, category)
        return dict(row[0] or {}) if row is not None else {}

    def _row(self, table: Table, key: UUID | str) -> Row | None:
        ((*rows,),) = self._cql.ask(_GET[table], [(key,)], self._deadline_s)
        return rows[0] if rows else None

    def _put(self, table: Table, values: Row, packed: PackedRow) -> None:
        for row, at in self._due([packed]):
            self._write(_PUT[table], [(*values, at)])
            self._write(_PACKED, [(row.key, row.blob, at)])

    def _due(self, rows: Sequence[PackedRow]) -> Sequence[tuple[PackedRow, int]]:
        """Those that are not older than what stands there, and the times they are written at."""
        due: list[tuple[PackedRow, int]] = []
        for row, standing in zip(rows, self._standing([row.key for row in rows]), strict=True):
            if not standing:
                due.append((row, _own_time(row)))
            elif not is_newer(standing[0][0], row.blob):
                # Of two writes of one time the nodes would keep the larger blob, and mix the columns of the rows.
                due.append((row, max(_own_time(row), standing[0][1] + 1)))
        return due

    def _standing(self, keys: Sequence[str]) -> Sequence[Sequence[Row]]:
        """Blob and time of each."""
        return self._cql.ask(_STANDING, [(key,) for key in keys], self._write_deadline_s)

    def _write(self, statement: Statement, parameters: Sequence[Row]) -> None:
        self._cql.ask(statement, parameters, self._write_deadline_s)


def _own_time(row: PackedRow) -> int:
    try:
        return timestamp_of(stamp_of(row.blob))
    except Unreadable:
        return 0


def _newest(rows: Sequence[PackedRow]) -> Sequence[PackedRow]:
    """One a key: written side by side, they would come in any order."""
    newest: dict[str, PackedRow] = {}
    for row in rows:
        if row.key not in newest or not is_newer(newest[row.key].blob, row.blob):
            newest[row.key] = row
    return list(newest.values())
