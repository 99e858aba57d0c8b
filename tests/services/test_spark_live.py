"""Relations under Apache Spark in local mode are those that one process makes."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from batch.relations import Order, Places, build
from conch.clients.triton import TritonInference
from conch.contracts.features import Family, unpack
from conch.stack.serving import Server, serving
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.redis_features import RedisFeatures
from conch.stores.relations import SemanticRelations
from conch.stores.sqlite_relations import SqliteRelations
from conch.weights.cache import verified_weights
from tests.made_up_shop import ShopStack, made_up_shop
from tests.services.conftest import CACHE
from tests.services.spark.environment import spark_python

ROOT = Path(__file__).parents[2]
MASTERS = 150
RUN_S = 300

pytestmark = pytest.mark.timeout(1_200)


@dataclass(frozen=True)
class Sites:
    """The same catalogue twice; nobody has related it."""

    alone: ShopStack
    spark: ShopStack
    triton: Server

    def run_spark(self, *options: str) -> dict[str, object]:
        where = ["--state", str(self.spark.catalogues.parent), "--triton", self.triton.grpc]
        quiet = "--conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 pyspark-shell"
        python = str(spark_python(CACHE))
        done = subprocess.run(
            [
                python, "-m", "batch.spark", "--master", "local[2]", *where,
                "--redis", self.spark.redis.address, "--all", *options,
            ],
            env={
                **os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": python, "PYSPARK_SUBMIT_ARGS": quiet,
                "SPARK_LOCAL_IP": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-20_000:]
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sites(tmp_path_factory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("spark")
    (folder / "alone").mkdir()
    (folder / "spark").mkdir()
    with (
        made_up_shop(folder / "alone", MASTERS) as alone,
        made_up_shop(folder / "spark", MASTERS) as spark,
        serving(folder / "triton", ["embedding"], verified_weights(["embedding"])) as triton,
    ):
        yield Sites(alone, spark, triton)


def relations_of(folder: CatalogueFolder) -> dict[UUID, SemanticRelations]:
    with contextlib.closing(SqliteRelations(folder.relations, deadline_s=10)) as durable:
        found = {master: durable.semantic(master) for master in durable.masters()}
    return {master: one for master, one in found.items() if one is not None and one.inference_source == "embedding:1"}


def test_spark_makes_the_relations_that_one_process_makes(sites):
    alone = sites.alone.catalogue
    with contextlib.closing(RedisFeatures(sites.alone.redis.address, deadline_s=10)) as hot:
        durable = SqliteRelations(alone.relations, deadline_s=10)
        places = Places(alone, hot, durable, lambda: TritonInference(sites.triton.grpc))
        one = build(places, Order(everything=True))
    many = sites.run_spark()
    counts = ("chosen", "embedding", "embedded", "refused", "indexed", "generation", "related", "kept_out")
    assert {name: many[name] for name in counts} == {name: getattr(one, name) for name in counts}

    expected, found = relations_of(alone), relations_of(sites.spark.catalogue)
    assert found.keys() == expected.keys()
    assert len(found) == MASTERS
    for master, relations in expected.items():
        assert _near(found[master].related, relations.related)

    keys = sites.spark.catalogue.keys
    with contextlib.closing(RedisFeatures(sites.spark.redis.address, deadline_s=10)) as hot:
        blobs = hot.read([keys.semantic(str(master)) for master in found])
    assert {unpack(blob, Family.SEMANTIC).rows for blob in blobs if blob is not None} == {100}
    assert None not in blobs

    again = sites.run_spark("--incremental")
    assert (again["embedded"], again["related"]) == (0, 0)


def _near(found: dict[UUID, float], expected: dict[UUID, float]) -> bool:
    """What is hardly alike may be on either side of not at all: a vector differs a little by what it came with."""
    clear = {master: score for master, score in expected.items() if score > 0.02}
    return all(found.get(master, 0.0) == pytest.approx(score, abs=0.01) for master, score in clear.items())
