"""What needs no node; tests/services/test_cql_live.py has one."""

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.features import Stamp
from conch.stack.serving import free_ports
from conch.stores.cql_relations import REVISIONS, CqlRelations, timestamp_of
from conch.stores.cql_servers import CqlServers
from conch.stores.cql_tables import create_tables, statements
from conch.stores.relations import PackedRow
from tests.stores.relations_suite import blob

SOME_MS = st.integers(0, 2**45)

stamps = st.builds(Stamp, epoch=st.just(1), window_end_ms=SOME_MS, revision=st.integers(0, REVISIONS - 1))


@pytest.fixture
def nobody() -> CqlServers:
    """Listens there."""
    (port,) = free_ports(1)
    return CqlServers([f"127.0.0.1:{port}"])


@given(stamps, stamps)
def test_times_are_in_the_order_of_the_stamps_of_an_epoch(first: Stamp, second: Stamp):
    assert (timestamp_of(first) < timestamp_of(second)) == (first < second)


def test_a_time_is_the_end_of_its_window_by_the_clock_in_microseconds():
    assert timestamp_of(Stamp(3, 1_780_000_000_000, 2)) == 1_780_000_000_000_002


def test_mending_without_end_does_not_reach_the_next_window():
    assert timestamp_of(Stamp(1, 100, 10**6)) < timestamp_of(Stamp(1, 101, 0))


def test_without_a_node_every_call_is_unavailable_and_none_is_waited_for(nobody: CqlServers):
    with closing(CqlRelations(nobody, "conch", write_deadline_s=0.1)) as relations:
        relations.begin()
        with pytest.raises(Unavailable):
            relations.read(["k"])
        with pytest.raises(Unavailable):
            relations.write([PackedRow("k", blob(1))])
        with pytest.raises(Unavailable):
            list(relations.masters())


def test_where_tables_cannot_be_made_it_is_said(nobody: CqlServers):
    with pytest.raises(Unavailable):
        create_tables(nobody, "conch")


def test_what_was_closed_is_not_connected_again(nobody: CqlServers):
    relations = CqlRelations(nobody, "conch")
    relations.close()
    with pytest.raises(Unavailable, match="closed"):
        relations.read(["k"])


@pytest.mark.parametrize(
    ("said", "written"),
    [("3", "'replication_factor': 3"), ("dc1:3, dc-2:2", "'dc1': 3, 'dc-2': 2")],
    ids=["everywhere", "by datacentre"],
)
def test_copies_are_told_once_for_all_or_by_datacentre(said: str, written: str):
    keyspace, *tables = statements("conch", said)
    assert keyspace == (
        f"CREATE KEYSPACE IF NOT EXISTS conch WITH replication = {{'class': 'NetworkTopologyStrategy', {written}}}"
    )
    assert all(table.startswith("CREATE TABLE IF NOT EXISTS conch.") for table in tables)


@pytest.mark.parametrize("said", ["", "0", "dc1", "dc1:0", "dc1:3'}; DROP KEYSPACE conch", "dc1:3,", ":3"])
def test_other_words_for_copies_are_refused(said: str):
    with pytest.raises(InvalidRequest, match="replication"):
        statements("conch", said)
