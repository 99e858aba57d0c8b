"""How fast relations are made, stage by stage, and how many of the true nearest the index finds.

    python -m benchmarks.relations

A made-up catalogue; its titles are embedded through Triton, indexed, related and written to SQLite and a real Redis,
on the same cores. Recall is of an index of `--vectors`: titles' own vectors, and mixtures of two with some noise,
against exact search by numpy; that of the titles alone is told beside it, searched as a large index is.
"""

import asyncio
import contextlib
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from batch.choosing import offered
from batch.database import opened
from batch.embedding import Embedder
from batch.indexing import index
from batch.neighbours import KEPT, Related, neighbours
from batch.titles import Title, titles_of
from batch.vectors import Vectors
from batch.writing import RelationsWriter
from conch.catalogue.generating import generate
from conch.catalogue.made import Order
from conch.catalogue.records import Records
from conch.clients.triton import TritonInference
from conch.contracts.errors import Unavailable
from conch.contracts.specs import EMBEDDING_WIDTH
from conch.stack.service import HOST
from conch.stack.services.redis import binary
from conch.stack.serving import free_ports, serving
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import IdIndex
from conch.stores.meanings import F4, U4, Meanings, MeaningsWriter, new_graph
from conch.stores.redis_features import RedisFeatures
from conch.stores.snapshot import Snapshot
from conch.stores.sqlite_relations import SqliteRelations
from conch.weights.cache import verified_weights

RESULT = Path(__file__).parent / "results" / "relations.json"

QUERIES = 200
WRITTEN = 500
"""Masters that are related and written; the figures are of one."""

REDIS_S = 20.0


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[RedisFeatures]:
    [port] = free_ports(1)
    command = [str(binary()), "--port", str(port), "--bind", HOST, "--save", ""]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            features = RedisFeatures(f"{HOST}:{port}", deadline_s=REDIS_S)
            _await(features)
            yield features
        finally:
            process.kill()


def _await(features: RedisFeatures) -> None:
    deadline = time.monotonic() + REDIS_S
    while True:
        try:
            features.read(["none"])
            return
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


async def embed(address: str, titles: list[Title], opens: Callable[[str], Vectors]) -> Vectors:
    async with TritonInference(address) as inference:
        embedder = await Embedder.find(inference)
        vectors = opens(embedder.version)
        async for some in embedder.embed(titles):
            vectors.save(some.titles, some.vectors)
        return vectors


def mixed(rows: F4, count: int) -> F4:
    """Vectors as a larger catalogue has them: the rows, then mixtures of two of them, with noise, of length 1."""
    rng = np.random.default_rng(0)
    more = max(0, count - len(rows))
    first, second = (rows[rng.integers(0, len(rows), more)] for _ in range(2))
    made = first + 0.7 * second + rng.normal(scale=0.02, size=(more, rows.shape[1]))
    every = np.concatenate([rows, made]).astype(np.float32)
    scaled: F4 = every / np.linalg.norm(every, axis=1, keepdims=True)
    return scaled


def recall(rows: F4, folder: Path) -> dict[str, float]:
    """Of what is served: at 100 and at 1,000, and milliseconds of a search by one thread."""
    writer = MeaningsWriter(folder, "1", EMBEDDING_WIDTH)
    began = time.perf_counter()
    writer.put(np.arange(len(rows), dtype=np.uint32), rows)
    took_s = time.perf_counter() - began
    writer.publish(1, 1)
    served = Meanings.open(folder, "1")
    if served is None:
        raise Unavailable("the index is not there")
    queries, wanted = rows[-QUERIES:], np.ones(len(rows), bool)
    exact = queries @ rows.T
    told = {"vectors": float(len(rows)), "added_per_s": len(rows) / took_s}
    for k in (100, KEPT):
        best = np.argpartition(-exact, k, axis=1)[:, :k]
        began = time.perf_counter()
        found = served.nearest(queries, k, wanted)
        told[f"search_ms@{k}"] = (time.perf_counter() - began) / len(queries) * 1_000
        told[f"recall@{k}"] = _share([near.masters for near in found], list(best.astype(np.uint32)))
    return told


def approximate(rows: F4) -> dict[str, float]:
    """Recall of the graph where a small index would be searched exactly."""
    graph: Any = new_graph(rows.shape[1])
    graph.add(np.arange(len(rows)), rows)
    exact = rows[:QUERIES] @ rows.T
    told = {"vectors": float(len(rows))}
    for k in (100, KEPT):
        best = list(np.argpartition(-exact, k, axis=1)[:, :k].astype(np.uint32))
        found = graph.search(rows[:QUERIES], k)
        told[f"recall@{k}"] = _share([found[row].keys.astype(np.uint32) for row in range(QUERIES)], best)
    return told


def _share(found: list[U4], wanted: list[U4]) -> float:
    pairs = zip(found, wanted, strict=True)
    return float(np.mean([len(np.intersect1d(have, want)) / len(want) for have, want in pairs]))


def stages(folder: Path, masters: int) -> tuple[dict[str, float], F4]:
    """Masters a second of each; and the vectors."""
    catalogue = CatalogueFolder.of(folder / "catalogues", "default")
    rates: dict[str, float] = {}

    @contextlib.contextmanager
    def rated(stage: str, count: int) -> Iterator[None]:
        began = time.perf_counter()
        yield
        rates[stage] = round(count / (time.perf_counter() - began), 1)

    with contextlib.ExitStack() as stack:
        hot = stack.enter_context(redis(folder))
        generate(catalogue, hot, Order(masters, seed=1))
        opens = partial(Vectors, stack.enter_context(opened(catalogue.relations)))
        records = stack.enter_context(contextlib.closing(Records(catalogue.relations)))
        durable = stack.enter_context(contextlib.closing(SqliteRelations(catalogue.relations, deadline_s=10)))
        wanted, ids = offered(Snapshot.open(catalogue.snapshot)), IdIndex.open(catalogue.ids)
        everybody = np.flatnonzero(wanted).astype(np.uint32)
        titles = list(titles_of(records, everybody))
        with serving(folder / "triton", ["embedding"], verified_weights(["embedding"])) as triton:
            asyncio.run(embed(triton.grpc, titles[:64], opens))  # Warm.
            with rated("embedding", len(titles)):
                vectors = asyncio.run(embed(triton.grpc, titles, opens))
        with rated("indexing", len(titles)):
            index(catalogue.nearest, vectors, everybody, ids.generation, lambda *_: None)
        served = Meanings.open(catalogue.nearest, vectors.embedding)
        if served is None:
            raise Unavailable("the index is not there")
        known, rows = vectors.of(everybody)
        with rated("neighbours", WRITTEN):
            found: list[Related] = list(neighbours(served, known[:WRITTEN], rows[:WRITTEN], wanted))
        writer = RelationsWriter(catalogue.keys, ids, durable, hot, "embedding:1", lambda: time.time_ns() // 1_000_000)
        with rated("writing", WRITTEN):
            for at in range(0, WRITTEN, 64):
                writer.write(found[at : at + 64], {one.master for one in found})
        rates["related_of_each"] = float(np.mean([len(one.near.masters) for one in found]))
        return rates, rows


def main(
    masters: Annotated[int, typer.Option(help="Of the catalogue whose titles are embedded.")] = 4_000,
    vectors: Annotated[int, typer.Option(help="Of the index whose recall is measured.")] = 40_000,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    """Measure the making of relations."""
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        rates, rows = stages(Path(scratch), masters)
        results = {
            "masters_per_s": rates,
            "index": _rounded(recall(mixed(rows, vectors), Path(scratch) / "nearest")),
            "titles_alone": _rounded(approximate(rows)),
        }
    report = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        # Before the run: above 1, somebody else had a share of the cores.
        "load_average": busy,
        "versions": {name: version(name) for name in ("nvidia-pytriton", "onnxruntime", "usearch")},
        "masters": masters,
        "results": results,
    }
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def _rounded(told: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in told.items()}


if __name__ == "__main__":
    typer.run(main)
