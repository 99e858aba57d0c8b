from contextlib import closing
from pathlib import Path

import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import CQL_VARIABLE
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.cql_relations import CqlRelations
from conch.stores.cql_servers import CqlServers
from conch.stores.durable import new_relations_of, relations_of
from conch.stores.relations import PackedRow
from conch.stores.sqlite_relations import SqliteRelations
from tests.stores.relations_suite import blob


@pytest.fixture
def folder(tmp_path: Path) -> CatalogueFolder:
    return CatalogueFolder.of(tmp_path, "default")


@pytest.mark.parametrize("said", [{}, {CQL_VARIABLE: ""}], ids=["unset", "empty"])
def test_where_no_servers_are_named_relations_are_in_a_file_of_the_catalogue(folder: CatalogueFolder, said):
    with closing(new_relations_of(folder, said)) as relations:
        relations.write([PackedRow("k", blob(1))])
    with closing(relations_of(folder, said, 30.0)) as again:
        assert list(again.read(["k"])) == [blob(1)]
        assert isinstance(again, SqliteRelations)
    assert folder.relations.is_file()


def test_where_servers_are_named_there_is_no_file_and_nobody_waits_for_them(folder: CatalogueFolder):
    with closing(relations_of(folder, {CQL_VARIABLE: "127.0.0.1:1"})) as relations:
        assert isinstance(relations, CqlRelations)
    assert not folder.relations.exists()


def test_the_environment_names_the_servers(tmp_path: Path):
    environment = {
        CQL_VARIABLE: "scylla-1:9042, [::1]:9043",
        "CONCH_CQL_DATACENTER": "dc1",
        "CONCH_CQL_USER": "conch",
        "CONCH_CQL_PASSWORD": "secret",
        "CONCH_CQL_CA": str(tmp_path / "ca.pem"),
        "CONCH_CQL_REPLICATION": "dc1:3",
    }
    servers = CqlServers(["scylla-1:9042", "[::1]:9043"], "dc1", "conch", "secret", tmp_path / "ca.pem", "dc1:3")
    assert CqlServers.of_environment(environment) == servers
    assert "secret" not in repr(servers)


@pytest.mark.parametrize("said", ["scylla", "scylla:", ":9042", "scylla:99999", "scylla:0", "a:1,,b:2", "http://a:1"])
def test_what_is_no_address_is_named(said: str):
    with pytest.raises(InvalidRequest, match="not host:port"):
        CqlServers.of_environment({CQL_VARIABLE: said})
