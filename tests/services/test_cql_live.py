"""The CQL store on a real node of Cassandra: it behaves as every store of relations, and when its node does not."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from cassandra.cluster import Cluster, Session

from conch.catalogue.generating import generate
from conch.catalogue.made import Order
from conch.contracts.errors import Unavailable
from conch.contracts.features import Family, Stamp, unpack
from conch.contracts.keys import CQL_VARIABLE
from conch.contracts.provenance import Source
from conch.features.rebuilding import Rebuilding
from conch.models.candidates import Candidates
from conch.models.shop import Shops
from conch.recommendation.scenarios import Scenarios
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.cql import run_once
from conch.stores.cql_relations import UNKNOWN_TIME, CqlRelations, timestamp_of
from conch.stores.cql_servers import CqlServers
from conch.stores.cql_tables import create_tables
from conch.stores.durable import new_relations_of, relations_of
from conch.stores.memory_features import MemoryFeatures
from conch.stores.published_rollups import PublishedRollups
from conch.stores.reading import FROM_DURABLE, FROM_SNAPSHOT
from conch.stores.redis_features import RedisFeatures
from conch.stores.relations import Offers, PackedRow, Relations, SemanticRelations
from tests.models.test_candidates import row
from tests.recommendation.whole_oracle import Wish
from tests.redis_server import running_redis
from tests.services.cassandra.node import Node
from tests.settling import becomes
from tests.stores.relations_suite import MADE, NEW, RelationsSuite, blob, semantic

pytestmark = pytest.mark.timeout(900)  # the first of them fetches Cassandra

PATIENT_S = 30.0

DOCUMENTED = {
    "master_semantic_relations": {
        "master_id": "uuid",
        "related_masters": "frozen<map<uuid, float>>",
        "inference_ts": "timestamp",
        "inference_source": "text",
    },
    "category_co_view_relations": {"cat_id": "text", "related_cats": "map<text, float>"},
    "category_relations": {"cat_id": "text", "related_cats": "map<text, float>"},
    "master_to_pids": {"master_id": "uuid", "pids": "list<uuid>", "metadata": "map<uuid, text>"},
    "packed_features": {"key": "text", "blob": "blob"},
}


@pytest.fixture(scope="module")
def servers(cassandra: Node) -> CqlServers:
    return CqlServers([cassandra.address], "datacenter1")


@pytest.fixture(scope="module")
def made(servers: CqlServers) -> str:
    create_tables(servers, "conch")
    return "conch"


@pytest.fixture
def keyspace(servers: CqlServers, made: str) -> str:
    """Its tables are empty."""
    run_once(servers, [f"TRUNCATE {made}.{table}" for table in DOCUMENTED], PATIENT_S)
    return made


@pytest.fixture
def relations(servers: CqlServers, keyspace: str) -> Iterator[Relations]:
    with closing(CqlRelations(servers, keyspace, deadline_s=PATIENT_S, write_deadline_s=PATIENT_S)) as store:
        yield store


@pytest.fixture
def plain(cassandra: Node) -> Iterator[Session]:
    """Another program's."""
    with Cluster(["127.0.0.1"], port=cassandra.port) as cluster:
        yield cluster.connect()


class TestRelations(RelationsSuite):
    pass


def test_the_tables_are_those_that_are_documented(keyspace: str, plain: Session) -> None:
    found: dict[str, dict[str, str]] = {}
    columns = plain.execute(
        "SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = %s", (keyspace,)
    )
    for column in columns:
        found.setdefault(column.table_name, {})[column.column_name] = column.type
    assert found == DOCUMENTED


def test_tables_that_are_there_stay_as_they_are(servers: CqlServers, keyspace: str, relations: Relations) -> None:
    relations.write([PackedRow("k", blob(1))])
    create_tables(replace(servers, replication="datacenter1:1"), keyspace)
    assert list(relations.read(["k"])) == [blob(1)]


def test_without_tables_it_is_unavailable_until_there_are_some(servers: CqlServers, plain: Session) -> None:
    with closing(CqlRelations(servers, "conch_absent", deadline_s=PATIENT_S)) as relations:
        with pytest.raises(Unavailable, match="conch_absent"):
            relations.read(["k"])
        create_tables(servers, "conch_absent")
        assert recovered(relations) == [None]


def test_other_programs_read_what_was_written(relations: Relations, keyspace: str, plain: Session) -> None:
    master, other = uuid4(), uuid4()
    relations.put_semantic(master, semantic(other), PackedRow("master:sem:m", blob(1, stamp=NEW)))
    relations.put_offers(master, Offers([other], {other: "9.99:seller:4.5"}), PackedRow("master:pids:m", blob(2)))
    related = plain.execute(f"SELECT * FROM {keyspace}.master_semantic_relations WHERE master_id = %s", (master,)).one()
    assert dict(related.related_masters) == {other: 0.5}
    assert related.inference_ts == MADE.replace(tzinfo=None)
    assert related.inference_source == "embedding:1"
    offers = plain.execute(f"SELECT * FROM {keyspace}.master_to_pids WHERE master_id = %s", (master,)).one()
    assert (offers.pids, dict(offers.metadata)) == ([other], {other: "9.99:seller:4.5"})
    packed = plain.execute(
        f"SELECT blob, WRITETIME(blob) AS at FROM {keyspace}.packed_features WHERE key = 'master:sem:m'"
    )
    assert packed.one() == (blob(1, stamp=NEW), timestamp_of(NEW))


def test_what_other_programs_write_is_read_and_gives_way_to_a_later_window(
    relations: Relations, keyspace: str, plain: Session
) -> None:
    master, pid, other = uuid4(), uuid4(), uuid4()
    plain.execute(f"INSERT INTO {keyspace}.master_to_pids (master_id, pids) VALUES (%s, %s)", (master, [pid]))
    plain.execute(
        f"INSERT INTO {keyspace}.master_semantic_relations (master_id, related_masters) VALUES (%s, {{{other}: 0.25}})",
        (master,),
    )
    plain.execute(f"INSERT INTO {keyspace}.category_relations (cat_id, related_cats) VALUES ('c', {{'d': 0.5}})")
    assert relations.offers(master) == Offers([pid], {})
    assert relations.semantic(master) == SemanticRelations({other: 0.25}, UNKNOWN_TIME, "")
    assert relations.related_categories("c") == {"d": 0.5}
    earlier, later = (Stamp(1, now_ms() + offset) for offset in (-60_000, 60_000))
    relations.put_offers(master, Offers([other], {}), PackedRow("k", blob(1, stamp=earlier)))
    assert relations.offers(master) == Offers([pid], {})
    relations.put_offers(master, Offers([other], {}), PackedRow("k", blob(1, stamp=later)))
    assert relations.offers(master) == Offers([other], {})


def test_each_catalogue_has_a_keyspace_of_its_own(cassandra: Node, keyspace: str, tmp_path: Path) -> None:
    environment = {CQL_VARIABLE: cassandra.address, "CONCH_CQL_DATACENTER": "datacenter1"}
    folders = [CatalogueFolder.of(tmp_path, name) for name in ("default", "shop-1")]
    first, second = (new_relations_of(folder, environment, PATIENT_S) for folder in folders)
    with closing(first), closing(second):
        first.write([PackedRow("k", blob(1))])
        assert list(second.read(["k"])) == [None]
    with closing(relations_of(folders[0], environment, PATIENT_S)) as again:
        assert list(again.read(["k"])) == [blob(1)]


def test_a_catalogue_made_on_it_has_its_relations_there_and_gives_redis_back_what_it_lost(
    cassandra: Node, keyspace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CQL_VARIABLE, cassandra.address)
    folder = CatalogueFolder.of(tmp_path, "default")
    report = generate(folder, MemoryFeatures(), Order(100, 1, related=10))
    after_a_flush = MemoryFeatures()
    with closing(relations_of(folder, deadline_s=PATIENT_S)) as durable:
        masters = list(durable.masters())
        assert len(masters) == report.related_masters > 0
        assert len(list(durable.offered())) == report.masters
        Rebuilding(folder, after_a_flush, durable, partial(PublishedRollups, folder.published_rollups)).rebuild()
        keys = [folder.keys.semantic(str(master)) for master in masters]
        kept, given_back = durable.read(keys), after_a_flush.read(keys)
        related = [len(row.related) for master in masters if (row := durable.semantic(master)) is not None]
    assert [len(packed_ids(blob)) for blob in kept] == related
    assert [packed_ids(blob) for blob in given_back] == [packed_ids(blob) for blob in kept]


@pytest.mark.timeout(300)
def test_a_node_that_is_silent_is_not_waited_for(cassandra: Node, servers: CqlServers, keyspace: str) -> None:
    with closing(CqlRelations(servers, keyspace, write_deadline_s=PATIENT_S)) as relations:
        relations.write([PackedRow("k", blob(1))])
        with frozen(cassandra):
            # The driver's own deadline is ten seconds: forty of those would outlast this test.
            for _ in range(40):
                with pytest.raises(Unavailable):
                    relations.read(["k"])
        assert recovered(relations) == [blob(1)]


def test_candidates_come_while_redis_is_away_and_the_node_falls_silent(
    cassandra: Node, keyspace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CQL_VARIABLE, cassandra.address)
    folder = CatalogueFolder.of(tmp_path / "catalogues", "default")
    with running_redis(tmp_path) as redis, closing(RedisFeatures(redis.address, deadline_s=PATIENT_S)) as hot:
        generate(folder, hot, Order(100, 1, related=10))
        item = min(hot.scan(folder.keys.semantic("*"))).rpartition(":")[2]
    with closing(Candidates(Shops(tmp_path / "catalogues", redis.address), Scenarios.read())) as model:

        def told() -> set[str]:
            (answer,) = model.predict([row(Wish(item=item))])
            assert (answer["sources"] & Source.SEMANTIC != 0).any()
            return set(answer["degraded"].tolist())

        assert becomes(told, {FROM_DURABLE}) == {FROM_DURABLE}
        with frozen(cassandra):
            assert becomes(told, {FROM_SNAPSHOT}) == {FROM_SNAPSHOT}
        assert becomes(told, {FROM_DURABLE}) == {FROM_DURABLE}


def test_a_node_that_was_killed_is_found_again_and_has_what_it_acknowledged(
    cassandra: Node, servers: CqlServers, keyspace: str
) -> None:
    with closing(CqlRelations(servers, keyspace, write_deadline_s=PATIENT_S)) as relations:
        relations.write([PackedRow("k", blob(1))])
        cassandra.kill()
        try:
            with pytest.raises(Unavailable):
                relations.read(["k"])
            with pytest.raises(Unavailable):
                relations.write([PackedRow("k", blob(2))])
            with closing(CqlRelations(servers, keyspace)) as late:
                late.begin()
                with pytest.raises(Unavailable):
                    late.read(["k"])
                cassandra.start()
                assert recovered(late) == recovered(relations) == [blob(1)]
        finally:
            cassandra.start()


def recovered(relations: Relations) -> list[bytes | None]:
    """What it reads of "k" as soon as it reads; nobody tells it to try again."""
    while True:
        try:
            return list(relations.read(["k"]))
        except Unavailable:
            time.sleep(0.05)


def packed_ids(blob: bytes | None) -> list[int]:
    assert blob is not None
    ids: list[int] = unpack(blob, Family.SEMANTIC).columns["ids"].tolist()
    return ids


@contextmanager
def frozen(node: Node) -> Iterator[None]:
    node.freeze()
    try:
        yield
    finally:
        node.thaw()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
