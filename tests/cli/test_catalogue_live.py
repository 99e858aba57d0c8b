"""conch catalogue and conch features, on a real Redis without a stack."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from conch.cli.main import app
from conch.contracts.features import Family, unpack
from conch.contracts.identifiers import uuid_of
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash
from conch.stores.redis_features import RedisFeatures
from conch.stores.snapshot import Snapshot
from tests.redis_server import RedisServer, running_redis

Conch = Callable[..., Result]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def conch(server: RedisServer, tmp_path: Path) -> Conch:
    with server.client() as redis:
        redis.flushall()
    place = ["--redis", server.address, "--state", str(tmp_path)]
    return lambda *words: CliRunner().invoke(app, [*words, *place])


def test_a_catalogue_is_made_up(conch, tmp_path):
    result = conch("catalogue", "generate", "--masters", "100", "--users", "20", "--relations", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["masters"], report["users"]) == (100, 20)
    assert report["related_masters"] > 0
    folder = CatalogueFolder.of(tmp_path / "catalogues", "default")
    assert Snapshot.open(folder.snapshot).masters == 100
    assert "remove" in conch("catalogue", "generate", "--masters", "200").stderr


def test_files_are_brought_in_and_bad_rows_told(conch, tmp_path):
    (tmp_path / "p.csv").write_text("pid,price\na,1\nb,-1\n")
    result = conch("catalogue", "import", str(tmp_path / "p.csv"), "--catalogue", "acme")
    assert result.exit_code == 0
    assert "p.csv:3: price is -1, it must be from 0 to 1e+09" in result.stderr
    assert "Catalogue acme took 1 of 2 rows, about 1 masters (1 new)" in result.stderr
    again = conch("catalogue", "import", str(tmp_path / "p.csv"), "--catalogue", "acme", "--json")
    report = json.loads(again.stdout)
    assert report["bad"] == [{"file": "p.csv", "line": 3, "reason": "price is -1, it must be from 0 to 1e+09"}]
    assert (report["kept"], report["new_masters"]) == (1, 0)


def test_an_import_that_keeps_nothing_has_failed(conch, tmp_path):
    (tmp_path / "p.csv").write_text("pid,price\nb,-1\n")
    assert conch("catalogue", "import", str(tmp_path / "p.csv")).exit_code == 1
    assert conch("catalogue", "import", str(tmp_path / "none.csv")).exit_code == 1
    assert conch("catalogue", "import", str(tmp_path / "p.csv"), "--catalogue", "../x").exit_code == 1


def test_without_a_redis_it_exits_as_without_a_stack(tmp_path):
    assert CliRunner().invoke(app, ["catalogue", "generate", "--state", str(tmp_path)]).exit_code == 3


def test_features_are_put_touched_and_packed_once_more(conch, server, tmp_path):
    (tmp_path / "p.csv").write_text("pid,price\na,1\n")
    assert conch("catalogue", "import", str(tmp_path / "p.csv"), "--catalogue", "acme").exit_code == 0
    acme, pid = ("--catalogue", "acme"), str(uuid_of("acme", "a"))
    assert conch("features", "put", f"promo:{pid}", '{"boost": "1.5"}', *acme).exit_code == 0
    key = CatalogueFolder(Path("acme")).keys.promo(pid)
    with closing(RedisFeatures(server.address, deadline_s=10)) as hot:
        assert hot.documented(key) == Hash({"boost": "1.5"})
        heard = hot.messages(["acme:features:changed"], wait_s=10)
        assert conch("features", "touch", f"promo:{pid}", *acme).exit_code == 0
        assert next(heard) == ("acme:features:changed", key)
        with server.client() as redis:
            redis.hset(key, "boost", "2")
        assert conch("features", "rebuild", *acme).exit_code == 0
        (blob,) = hot.read([key])
        assert blob is not None
        assert unpack(blob, Family.PROMO).columns["boost"].tolist() == [2.0]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("put", "promo:p", "nonsense"), "'nonsense' is no JSON"),
        (("put", "promo:p", '{"a": [1]}'), "is no object of numbers, no list of texts and no object of texts"),
        (("put", "promo:p", '["a"]'), "promo:p: it is a list, not a hash"),
        (("put", "promo:p", '{"expiry": "5"}'), "it is epoch milliseconds"),
        (("put", "other:p", '{"a": "b"}'), "'other:p' is no documented key"),
        (("touch", "other:p"), "'other:p' is no documented key"),
    ],
)
def test_what_is_no_feature_is_refused(conch, words, reason):
    result = conch("features", *words)
    assert result.exit_code == 1
    assert reason in result.stderr
