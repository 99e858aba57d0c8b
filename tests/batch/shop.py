"""A small made-up catalogue, and an embedding of this process: texts that share words are near."""

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np

from batch.relations import Order, Places, Report, build
from conch.catalogue.generating import generate
from conch.catalogue.made import Order as Goods
from conch.catalogue.records import Records
from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import InvalidRequest
from conch.contracts.provenance import NO_REASON
from conch.contracts.specs import EMBEDDING_WIDTH
from conch.features.wares import columns_of
from conch.stores import snapshot
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import HotFeatures
from conch.stores.ids import IdIndex
from conch.stores.memory_features import MemoryFeatures
from conch.stores.sqlite_relations import SqliteRelations

MADE_MS = 1_700_000_000_000
RUN_MS = 1_750_000_000_000
MASTERS = 150
HOT = 40


def words(text: str) -> np.ndarray:
    """Of unit length."""
    found = text.lower().split()
    if not any(letter.isalnum() for letter in text):
        raise InvalidRequest(f"text has {len(text)} characters and not one word")
    vector = np.zeros(EMBEDDING_WIDTH, np.float32)
    for word in found:
        # Three places a word: few words share all of them.
        for place in range(3):
            vector[crc32(f"{word} {place}".encode()) % EMBEDDING_WIDTH] += 1
    # So that no two texts are equally near to a third.
    vector += np.random.default_rng(crc32(text.encode())).random(EMBEDDING_WIDTH, np.float32) / 10
    return vector / np.linalg.norm(vector)


def embedding(inputs: Arrays, call: CallOptions) -> Arrays:
    texts = inputs["text"][:, 0]
    return {"embedding": np.stack([words(text) for text in texts])}


@dataclass(frozen=True)
class Shop:
    folder: CatalogueFolder
    hot: HotFeatures
    durable: SqliteRelations
    inference: InProcessInference

    def run(self, order: Order, **changed: object) -> Report:
        return build(self.places(**changed), order)

    def places(self, **changed: object) -> Places:
        values = {
            "folder": self.folder,
            "hot": self.hot,
            "durable": self.durable,
            "triton": lambda: contextlib.nullcontext(self.inference),
            "now_ms": lambda: RUN_MS,
        }
        return Places(**{**values, **changed})

    @property
    def asked(self) -> list[str]:
        """Texts that came to the model."""
        return [text for call in self.inference.asked for text in call.inputs["text"][:, 0]]

    def retitle(self, titles: dict[int, str]) -> None:
        with contextlib.closing(Records(self.folder.relations)) as records:
            old = list(records.products(list(titles)))
            records.save(
                (one.master, one.key, titles[one.master], one.description, one.category, one.brand, RUN_MS)
                for one in old
            )

    def titles(self) -> dict[int, str]:
        with contextlib.closing(Records(self.folder.relations)) as records:
            return {product.master: product.name for product in records.products()}

    def withdraw(self, masters: set[int]) -> None:
        """Nobody offers them any more."""
        ids = IdIndex.open(self.folder.ids)
        with contextlib.closing(Records(self.folder.relations)) as records:
            wares = records.wares(ids)
        gone = np.isin(wares.pid_master, list(masters))
        wares.pid_master[gone] = NO_REASON
        snapshot.publish(self.folder.snapshot, columns_of(wares), snapshot.About(ids.generation, MADE_MS, {}))


@lru_cache
def _template(masters: int) -> tuple[Path, MemoryFeatures]:
    """Made once: the tests take copies."""
    folder, hot = Path(tempfile.mkdtemp(prefix="conch-shop-")), MemoryFeatures()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    generate(CatalogueFolder.of(folder, "default"), hot, Goods(masters, seed=3, users=60, hot=HOT), now_ms=MADE_MS)
    return folder, hot


def made(folder: Path, function: Callable[[Arrays, CallOptions], Arrays] = embedding, masters: int = MASTERS) -> Shop:
    template, filled = _template(masters)
    shutil.copytree(template, folder, dirs_exist_ok=True)
    catalogue, hot = CatalogueFolder.of(folder, "default"), MemoryFeatures()
    hot.values, hot.blobs = dict(filled.values), dict(filled.blobs)
    return Shop(catalogue, hot, SqliteRelations(catalogue.relations), InProcessInference({"embedding": function}))
