"""Relations of a catalogue by many machines: the functions of batch/, each over a part of the masters.

The driver has the catalogue: it chooses, keeps the vectors, builds the index and remembers how far the run has come.
Executors embed titles through Triton, get ids and index as files of the job, search, and write to the stores by
themselves: CQL where the environment names servers (conch/stores/durable.py), else the file of the machine they share.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import SparkContext, SparkFiles

from batch.checkpoint import Checkpoint
from batch.database import opened
from batch.embedding import Embedder
from batch.indexing import index
from batch.neighbours import neighbours
from batch.relations import LEASE, WRITTEN_TOGETHER, Chosen, Order, Places, Report, due, fresh
from batch.titles import Title, titles_of
from batch.vectors import Vectors
from batch.writing import RelationsWriter
from conch.catalogue.records import Records
from conch.clients.triton import TritonInference
from conch.contracts.specs import EMBEDDING
from conch.features.families import Families
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.durable import new_relations_of, relations_of
from conch.stores.ids import IdIndex
from conch.stores.meanings import F4, U4, Meanings
from conch.stores.redis_features import RedisFeatures

WAVE = 100_000
"""Masters between two checkpoints."""

DEADLINE_S = 30.0
"""Of a store; nobody waits."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How driver and executors reach what a run needs."""

    folder: CatalogueFolder
    triton: str
    """host:port, as redis."""
    redis: str

    def places(self) -> Places:
        """Of the driver."""
        hot = RedisFeatures(self.redis, deadline_s=DEADLINE_S)
        return Places(self.folder, hot, new_relations_of(self.folder), partial(TritonInference, self.triton))


def build(spark: SparkContext, cluster: Cluster, order: Order, wave: int = WAVE) -> Report:
    """As batch.relations.build, over all executors. Raises ConchError, and Spark's own for what fails in one."""
    folder, places = cluster.folder, cluster.places()
    with folder.lease(LEASE), opened(folder.relations) as database, closing(Records(folder.relations)) as records:
        chosen = Chosen.by(places, order)
        times = [time.monotonic()]
        vectors = Vectors(database, asyncio.run(_version(cluster)))
        new = fresh(records, vectors, chosen.masters)
        embedded = sum(_embed(spark, cluster, vectors, titles_of(records, some)) for some in _waves(new, wave))
        times.append(time.monotonic())
        everybody = np.flatnonzero(chosen.offered).astype(np.uint32)
        generation = index(folder.nearest, vectors, everybody, chosen.ids.generation, lambda *_: None)
        times.append(time.monotonic())
        checkpoint = Checkpoint.begin(database, vectors.embedding, order.scope)
        related, kept_out = _relate(spark, cluster, chosen, order, vectors, checkpoint, wave) if generation else (0, 0)
        checkpoint.end()
        times.append(time.monotonic())
        meanings = Meanings.open(folder.nearest, vectors.embedding)
    return Report(
        len(chosen.masters), vectors.embedding, embedded, len(new) - embedded, meanings.about.count if meanings else 0,
        generation, related, kept_out, checkpoint.resumed, *np.diff(times).tolist(),
    )  # fmt: skip


async def _version(cluster: Cluster) -> str:
    async with TritonInference(cluster.triton) as inference:
        return (await Embedder.find(inference)).version


def _embed(spark: SparkContext, cluster: Cluster, vectors: Vectors, titles: Iterable[Title]) -> int:
    """How many have a vector now."""
    parts = spark.parallelize(list(titles)).mapPartitions(partial(embed_part, cluster.triton, vectors.embedding))
    rows = parts.collect()
    if rows:
        vectors.save([title for title, _ in rows], np.stack([vector for _, vector in rows]))
    return len(rows)


def embed_part(triton: str, version: str, titles: Iterable[Title]) -> Iterable[tuple[Title, F4]]:
    """On an executor."""

    async def embedded() -> list[tuple[Title, F4]]:
        async with TritonInference(triton) as inference:
            found = [some async for some in Embedder(inference, version).embed(titles)]
            return [pair for some in found for pair in zip(some.titles, some.vectors, strict=True)]

    return asyncio.run(embedded())


def _relate(
    spark: SparkContext,
    cluster: Cluster,
    chosen: Chosen,
    order: Order,
    vectors: Vectors,
    checkpoint: Checkpoint,
    wave: int,
) -> tuple[int, int]:
    """How many were written, and how many of them Redis would not take."""
    spark.addFile(str(cluster.folder.nearest / vectors.embedding), recursive=True)
    spark.addFile(str(cluster.folder.ids), recursive=True)
    offered, hot = spark.broadcast(chosen.offered), spark.broadcast(frozenset(chosen.hot.tolist()))
    related = kept_out = 0
    for some in _waves(chosen.masters, wave):
        digests = due(some, vectors, checkpoint, incremental=order.incremental)
        masters, rows = vectors.of(np.array(list(digests), np.uint32))
        parts = spark.parallelize(list(zip(masters.tolist(), rows, strict=True)))
        told = parts.mapPartitions(partial(relate_part, cluster, vectors.embedding, order.kept, offered, hot)).collect()
        checkpoint.wrote(vectors.embedding, digests)
        related += sum(count for count, _ in told)
        kept_out += sum(out for _, out in told)
    return related, kept_out


def relate_part(
    cluster: Cluster, version: str, kept: int, offered: Any, hot: Any, rows: Iterable[tuple[int, F4]]
) -> Iterator[tuple[int, int]]:
    """On an executor: masters that were written together, and how many of them Redis would not take."""
    files = Path(SparkFiles.getRootDirectory())
    meanings, ids = Meanings.open(files, version), IdIndex.open(files / cluster.folder.ids.name)
    source, coming = f"{EMBEDDING.name}:{version}", iter(rows)
    with (
        closing(RedisFeatures(cluster.redis, deadline_s=DEADLINE_S)) as features,
        closing(relations_of(cluster.folder, deadline_s=DEADLINE_S)) as durable,
    ):
        packed = Families.read(cluster.folder.families).relations
        writer = RelationsWriter(cluster.folder.keys, ids, durable, features, source, _now_ms, packed)
        while meanings is not None and (some := list(islice(coming, WRITTEN_TOGETHER))):
            masters = np.array([master for master, _ in some], np.uint32)
            vectors = np.stack([vector for _, vector in some])
            found = list(neighbours(meanings, masters, vectors, offered.value, kept=kept, threads=1))
            yield len(found), writer.write(found, hot.value)


def _waves(masters: U4, size: int) -> Iterator[U4]:
    for at in range(0, len(masters), size):
        yield masters[at : at + size]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
