import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from conch.contracts.errors import Unavailable
from conch.stores.memory_relations import MemoryRelations
from conch.stores.relations import Offers, PackedRow, Relations, Table
from conch.stores.sqlite_relations import SqliteRelations
from tests.stores.relations_suite import RelationsSuite, blob


@pytest.fixture(params=["memory", "sqlite"])
def relations(request: pytest.FixtureRequest, tmp_path) -> Iterator[Relations]:
    store: Relations = MemoryRelations() if request.param == "memory" else SqliteRelations(tmp_path / "c.sqlite")
    with closing(store):
        yield store


class TestRelations(RelationsSuite):
    pass


def test_what_is_written_is_there_after_a_restart(tmp_path):
    file = tmp_path / "new folder" / "c.sqlite"
    with closing(SqliteRelations(file)) as first:
        first.write([PackedRow("k", blob(1))])
    with closing(SqliteRelations(file)) as second:
        assert list(second.read(["k"])) == [blob(1)]


def test_a_reader_does_not_wait_for_a_writer_and_a_writer_not_for_good(tmp_path):
    file = tmp_path / "c.sqlite"
    with closing(SqliteRelations(file, deadline_s=0.05)) as store, closing(sqlite3.connect(file)) as other:
        store.write([PackedRow("k", blob(1))])
        other.execute("BEGIN IMMEDIATE")
        assert list(store.read(["k"])) == [blob(1)]
        with pytest.raises(Unavailable, match="locked"):
            store.write([PackedRow("k", blob(2))])
        other.execute("ROLLBACK")
        store.write([PackedRow("k", blob(2))])
        assert list(store.read(["k"])) == [blob(2)]


def test_a_whole_catalogue_is_loaded_at_once_and_read_like_what_was_put(tmp_path):
    master, pid = uuid4(), uuid4()
    documented = (str(master), json.dumps([str(pid)]), json.dumps({str(pid): "9.99:s:4.5"}))
    with closing(SqliteRelations(tmp_path / "c.sqlite")) as store:
        store.load(Table.OFFERS, [documented], [PackedRow("k", blob(1))])
        assert store.offers(master) == Offers([pid], {pid: "9.99:s:4.5"})
        assert list(store.read(["k"])) == [blob(1)]


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "c.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable, match=r"c\.sqlite"):
        SqliteRelations(tmp_path / "c.sqlite")
