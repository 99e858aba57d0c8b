"""The index of meanings follows the vectors: what is new or changed goes in, what nobody offers any more goes out."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from batch.vectors import Vectors
from conch.contracts.errors import Internal
from conch.contracts.specs import EMBEDDING_WIDTH
from conch.stores.meanings import U4, MeaningsWriter

logger = logging.getLogger(__name__)

PAGE = 2_000
"""Vectors between two words of progress."""

MOST_TAKEN_OUT = 0.3
"""Of an index: places of what was taken out lengthen every search, so one that lost more is built anew."""

Progress = Callable[[int, int], None]
"""How many of how many."""


def index(folder: Path, vectors: Vectors, offered: U4, ids_generation: int, progress: Progress) -> int:
    """The generation that stands in the end: a new one, or, where nothing has changed, the one before.

    `offered` ascends.
    """
    writer = MeaningsWriter(folder, vectors.embedding, EMBEDDING_WIDTH)
    try:
        writer.resume()
    except Internal as error:
        logger.warning("the index is built anew: %s", error.message)
    wanted = np.intersect1d(vectors.since(0), offered, assume_unique=True)
    standing = writer.masters
    gone = np.setdiff1d(standing, wanted, assume_unique=True)
    changed = np.intersect1d(vectors.since(writer.about.revision), standing, assume_unique=True)
    if len(gone) + len(changed) > MOST_TAKEN_OUT * len(standing):
        writer.clear()
        standing = gone = changed = standing[:0]
    coming = np.union1d(np.setdiff1d(wanted, standing, assume_unique=True), np.setdiff1d(changed, gone))
    if not len(gone) and not len(coming):
        return writer.generation
    writer.drop(gone)
    done = 0
    for masters, rows in vectors.pages(coming, PAGE):
        writer.put(masters, rows)
        done += len(masters)
        progress(done, len(coming))
    return writer.publish(ids_generation, vectors.revision)
