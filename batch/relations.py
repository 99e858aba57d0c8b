"""Which goods are like which: titles become vectors, vectors an index, and its neighbours relations in the stores.

    choose     hot masters, or all that are offered
    embed      titles that are new or changed; every vector is kept as soon as it is there
    index      all vectors that there are, as a new generation
    relate     each chosen master's nearest, written and checked off some at a time

Safe to repeat, and to kill: the next run that is told the same goes on where this one was.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from typing import Self

import numpy as np

from batch.checkpoint import Checkpoint
from batch.choosing import among, hot_masters, offered
from batch.database import opened
from batch.embedding import Embedder
from batch.indexing import index
from batch.neighbours import KEPT, neighbours
from batch.titles import titles_of
from batch.vectors import Vectors
from batch.writing import RelationsWriter
from conch.catalogue.records import Records
from conch.clients.inference import Inference
from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import EMBEDDING
from conch.features.families import Families
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures
from conch.stores.ids import IdIndex
from conch.stores.meanings import U4, Bools, Meanings
from conch.stores.relations import Relations
from conch.stores.snapshot import Snapshot

LEASE = "relations.lease"
"""Imports and snapshots go on while relations are made."""

PAGE = 10_000
"""Titles that are looked at together."""

WRITTEN_TOGETHER = 64
"""Masters between two checkpoints: so many are written twice at most."""

Tell = Callable[[str, int, int], None]
"""Stage, and how many of how many."""


@dataclass(frozen=True, slots=True)
class Order:
    everything: bool = False
    """All masters that are offered, not the hot ones alone."""
    since_ms: int = 0
    """Epoch ms of the last interaction from which on a master is hot."""
    incremental: bool = False
    """Of the chosen ones those alone that are new or have another title than when they were related last."""
    kept: int = KEPT

    @property
    def scope(self) -> str:
        """What a run that was killed must have been told for this one to go on with it."""
        return f"{'all' if self.everything else 'hot'} {'incremental' if self.incremental else 'full'} {self.kept}"


@dataclass(frozen=True, slots=True)
class Places:
    """What a run reads and writes."""

    folder: CatalogueFolder
    hot: HotFeatures
    durable: Relations
    triton: Callable[[], AbstractAsyncContextManager[Inference]]
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    chosen: int
    embedding: str
    """The version that was asked."""
    embedded: int
    """Titles; those of the other chosen masters had been before."""
    refused: int
    """Titles without a word."""
    indexed: int
    """Masters in the index."""
    generation: int
    related: int
    kept_out: int
    """Of the related: newer relations stood in Redis."""
    resumed: bool
    embedding_s: float
    indexing_s: float
    relating_s: float


@dataclass(frozen=True, slots=True)
class Chosen:
    ids: IdIndex
    offered: Bools
    hot: U4
    masters: U4
    """Ascending."""

    @classmethod
    def by(cls, places: Places, order: Order) -> Self:
        """Raises InvalidRequest where nothing was imported, and Unavailable."""
        folder = places.folder
        ids, snapshot = IdIndex.open(folder.ids), Snapshot.open(folder.snapshot)
        if not ids.generation or not snapshot.generation:
            raise InvalidRequest(f"catalogue {folder.name} has no goods yet: import or generate it first")
        wanted = offered(snapshot)
        hot = among(hot_masters(folder.keys, places.hot, ids, order.since_ms), wanted)
        return cls(ids, wanted, hot, np.flatnonzero(wanted).astype(np.uint32) if order.everything else hot)


def build(places: Places, order: Order, tell: Tell = lambda *_: None) -> Report:
    """Raises ConchError; what was done by then stays done."""
    folder = places.folder
    with folder.lease(LEASE), opened(folder.relations) as database, closing(Records(folder.relations)) as records:
        chosen = Chosen.by(places, order)
        times = [time.monotonic()]
        vectors, embedded, refused = asyncio.run(_embed(places, records, database, chosen, tell))
        times.append(time.monotonic())
        everybody = np.flatnonzero(chosen.offered).astype(np.uint32)
        generation = index(folder.nearest, vectors, everybody, chosen.ids.generation, lambda *far: tell("index", *far))
        times.append(time.monotonic())
        meanings = Meanings.open(folder.nearest, vectors.embedding)
        checkpoint = Checkpoint.begin(database, vectors.embedding, order.scope)
        related, kept_out = 0, 0
        if meanings is not None:
            related, kept_out = _relate(places, order, chosen, vectors, meanings, checkpoint, tell)
        checkpoint.end()
        times.append(time.monotonic())
    return Report(
        len(chosen.masters), vectors.embedding, embedded, refused, meanings.about.count if meanings else 0, generation,
        related, kept_out, checkpoint.resumed, *np.diff(times).tolist(),
    )  # fmt: skip


async def _embed(
    places: Places, records: Records, database: sqlite3.Connection, chosen: Chosen, tell: Tell
) -> tuple[Vectors, int, int]:
    """The vectors; how many are new, and how many titles were refused."""
    async with places.triton() as inference:
        embedder = await Embedder.find(inference)
        vectors = Vectors(database, embedder.version)
        new = fresh(records, vectors, chosen.masters)
        embedded = refused = 0
        async for some in embedder.embed(titles_of(records, new)):
            vectors.save(some.titles, some.vectors)
            embedded += len(some.titles)
            refused += some.refused
            tell("embed", embedded + refused, len(new))
        return vectors, embedded, refused


def fresh(records: Records, vectors: Vectors, masters: U4) -> U4:
    """Those of whose titles there is no vector."""
    found: list[int] = []
    for at in range(0, len(masters), PAGE):
        page = masters[at : at + PAGE]
        known = vectors.digests(page)
        found += (title.master for title in titles_of(records, page) if known.get(title.master) != title.digest)
    return np.array(found, np.uint32)


def _relate(
    places: Places,
    order: Order,
    chosen: Chosen,
    vectors: Vectors,
    meanings: Meanings,
    checkpoint: Checkpoint,
    tell: Tell,
) -> tuple[int, int]:
    """How many were written, and how many of them Redis would not take."""
    source = f"{EMBEDDING.name}:{vectors.embedding}"
    packed = Families.read(places.folder.families).relations
    writer = RelationsWriter(places.folder.keys, chosen.ids, places.durable, places.hot, source, places.now_ms, packed)
    hot = frozenset(chosen.hot.tolist())
    related = kept_out = 0
    for at in range(0, len(chosen.masters), WRITTEN_TOGETHER):
        page = chosen.masters[at : at + WRITTEN_TOGETHER]
        digests = due(page, vectors, checkpoint, incremental=order.incremental)
        masters, rows = vectors.of(np.array(list(digests), np.uint32))
        if len(masters):
            found = list(neighbours(meanings, masters, rows, chosen.offered, kept=order.kept))
            kept_out += writer.write(found, hot)
            checkpoint.wrote(vectors.embedding, digests)
            related += len(found)
        tell("relate", at + len(page), len(chosen.masters))
    return related, kept_out


def due(masters: U4, vectors: Vectors, checkpoint: Checkpoint, *, incremental: bool) -> dict[int, bytes]:
    """Hash of the title of each that is to be related: what this run has not written, or, incrementally, what was never
    written of this title and this embedding."""
    written = checkpoint.written(masters)

    def stands(master: int, digest: bytes) -> bool:
        before = written.get(master)
        if before is None or (before.embedding, before.digest) != (vectors.embedding, digest):
            return False
        return incremental or before.run == checkpoint.run

    return {master: digest for master, digest in vectors.digests(masters).items() if not stands(master, digest)}
