"""Real titles of a made-up catalogue, embedded in a real Triton, related into a real Redis, and found again by text."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from conch.catalogue.records import Records
from conch.cli.main import app
from conch.clients.inference import text_column
from conch.clients.triton import TritonInference
from conch.contracts.features import Family, unpack
from conch.contracts.keys import SEMANTIC_TTL_S, packed
from conch.stack.serving import Server, serving
from conch.stores.ids import IdIndex, Kind
from conch.weights.cache import verified_weights
from tests.made_up_shop import ShopStack, made_up_shop

MASTERS = 200
MODELS = ("embedding", "nearest", "semantic_search")


@dataclass(frozen=True)
class Related:
    stack: ShopStack
    triton: Server
    report: dict[str, object]

    def build(self, *options: str) -> dict[str, object]:
        where = ["--state", str(self.stack.catalogues.parent), "--redis", self.stack.redis.address]
        done = CliRunner().invoke(app, ["relations", "build", *where, "--triton", self.triton.grpc, "--json", *options])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def titles(self) -> dict[int, str]:
        records = Records(self.stack.catalogue.relations)
        titles = {product.master: product.name for product in records.products()}
        records.close()
        return titles


@pytest.fixture(scope="module")
def related(tmp_path_factory) -> Iterator[Related]:
    folder: Path = tmp_path_factory.mktemp("related")
    weights = verified_weights(["embedding"])
    with (
        made_up_shop(folder, MASTERS) as stack,
        serving(folder / "triton", MODELS, weights, environment=stack.environment) as triton,
    ):
        bare = Related(stack, triton, {})
        yield Related(stack, triton, bare.build("--all"))


def test_every_master_is_embedded_indexed_and_related(related):
    told = {name: related.report[name] for name in ("chosen", "embedded", "indexed", "related", "embedding", "refused")}
    assert told == {
        "chosen": MASTERS, "embedded": MASTERS, "indexed": MASTERS, "related": MASTERS, "embedding": "1", "refused": 0,
    }  # fmt: skip


def test_redis_has_both_forms_each_for_its_time(related):
    keys = related.stack.catalogue.keys
    with related.stack.redis.client() as redis:
        [name] = redis.zrange(keys.active_masters, 0, 0)
        key = keys.semantic(name.decode())
        ranked = redis.zrevrange(key, 0, -1, withscores=True)
        blob = unpack(redis.get(packed(key)), Family.SEMANTIC)
        assert 0 < redis.ttl(key) <= SEMANTIC_TTL_S < redis.ttl(packed(key))
    assert len(ranked) > 100
    assert blob.rows == 100
    assert blob.columns["scores"].tolist() == pytest.approx([score for _, score in ranked[:100]], abs=1e-5)


async def test_a_title_is_found_by_what_it_says_and_its_vector_comes_along(related):
    titles = related.titles()
    async with TritonInference(related.triton.grpc) as inference:
        for master in (0, MASTERS // 2, MASTERS - 1):
            asked = {"text": text_column(titles[master]), "k": np.array([[5]], np.int32)}
            answer = await inference.infer("semantic_search", asked)
            assert titles[int(answer["masters"][0, 0])] == titles[master]
            assert answer["similarities"][0, 0] == pytest.approx(1, abs=0.02)
            assert answer["masters"].shape == (1, 5)
            assert answer["master_uuids"].shape == (1, 5, 16)
            assert answer["embedding"].shape == (1, 384)
            assert answer["embedding_version"].tolist() == [["1"]]
            uuids = IdIndex.open(related.stack.catalogue.ids).uuids(Kind.MASTERS, answer["masters"][0])
            assert answer["master_uuids"][0].tolist() == uuids.tolist()


async def test_requests_of_unequal_k_are_answered_side_by_side(related):
    async with TritonInference(related.triton.grpc) as inference:
        vector = (await inference.infer("embedding", {"text": text_column("shoes")}))["embedding"]
        sizes = []
        for k in (1, 50, MASTERS + 1):
            answer = await inference.infer("nearest", {"embedding": vector, "k": np.array([[k]], np.int32)})
            sizes.append(answer["masters"].shape[1])
    assert sizes == [1, 50, MASTERS]


def test_a_second_run_embeds_nothing_and_an_incremental_one_relates_nothing(related):
    assert related.build("--all")["embedded"] == 0
    assert related.build("--all", "--incremental")["related"] == 0


def test_a_triton_that_is_away_ends_the_command_with_its_reason(related):
    where = ["--state", str(related.stack.catalogues.parent), "--redis", related.stack.redis.address]
    done = CliRunner().invoke(app, ["relations", "build", *where, "--triton", "127.0.0.1:9"])
    assert done.exit_code == 1
    assert "Unavailable" in done.stderr
