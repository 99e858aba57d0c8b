"""Make a catalogue up: goods with structure, shoppers who find their way through it, and all that follows from both.

The same order makes the same catalogue, ids included; only its times are of now. To make it again is to write it again.
"""

import itertools
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from conch.catalogue.made import Made, Order, make
from conch.catalogue.records import MADE_UP, Records
from conch.catalogue.stocking import Stocking
from conch.catalogue.writes import Numbers, Writer
from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.contracts.provenance import NO_REASON
from conch.features.promo_book import PromoBookWriter
from conch.features.rebuilding import kept
from conch.features.snapshots import SnapshotWriter
from conch.features.wares import columns_of
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.durable import new_relations_of
from conch.stores.features import HotFeatures
from conch.stores.ids import IdWriter, Kind
from conch.stores.published_rollups import PublishedRollups
from conch.stores.redis_features import RedisFeatures

BULK_DEADLINE_S = 30.0
"""Of a pipeline of hundreds of writes."""


@dataclass(frozen=True, slots=True)
class Report:
    masters: int
    pids: int
    categories: int
    users: int
    views: int
    related_masters: int
    took_s: float


def generated(folder: Path, redis: str, masters: int, seed: int, *, related: int = 100) -> CatalogueFolder:
    """The default catalogue in a folder of catalogues and a Redis (host:port), for tests and benchmarks."""
    catalogue = CatalogueFolder.of(folder, DEFAULT_CATALOGUE)
    with closing(RedisFeatures(redis, deadline_s=BULK_DEADLINE_S)) as hot:
        generate(catalogue, hot, Order(masters, seed, related=related))
    return catalogue


def generate(
    folder: CatalogueFolder,
    hot: HotFeatures,
    order: Order,
    progress: Callable[[str], None] = lambda _: None,
    now_ms: int | None = None,
) -> Report:
    """Raises Leased, Unavailable, and InvalidRequest for a folder that holds another catalogue."""
    began = time.monotonic()
    order = order.checked()
    with folder.lease(), closing(Records(folder.relations)) as records:
        _refuse_another(folder, records, order)
        records.say(MADE_UP, str(order))
        progress("goods and shoppers")
        made = make(order, now_ms if now_ms is not None else time.time_ns() // 1_000_000)
        ids = IdWriter(folder.ids, folder.name)
        writer = _numbered(ids, folder, made)
        progress("records")
        _record(records, made, writer)
        with closing(new_relations_of(folder, deadline_s=BULK_DEADLINE_S)) as durable:
            selling = partial(DuckDbRollups, folder.rollups, folder.published_rollups)
            related = Stocking(made, writer, hot, durable, selling, progress).stock(order)
            progress("snapshot")
            rollups = partial(PublishedRollups, folder.published_rollups)
            columns = columns_of(records.wares(ids.publish()))
            SnapshotWriter(folder, hot, durable, rollups, lambda: made.now_ms).write(columns)
            PromoBookWriter(folder, hot).write()
            hot.write([kept(folder.keys, made.now_ms)])
    return Report(
        masters=order.masters,
        pids=len(made.goods.pids),
        categories=len(made.tree.names),
        users=order.users,
        views=len(made.views.user),
        related_masters=related,
        took_s=time.monotonic() - began,
    )


def _refuse_another(folder: CatalogueFolder, records: Records, order: Order) -> None:
    said = records.says(MADE_UP)
    if said != str(order) and generations.current(folder.ids):
        held = f"was made by another order ({said})" if said else "was imported"
        raise InvalidRequest(
            f"catalogue {folder.name} {held}, this one is {order}; give another --catalogue, or remove {folder.path}"
        )


def _numbered(ids: IdWriter, folder: CatalogueFolder, made: Made) -> Writer:
    goods, tree = made.goods, made.tree
    numbers = {
        "masters": ids.allot(Kind.MASTERS, goods.uuids),
        "pids": ids.allot(Kind.PIDS, goods.pids),
        "categories": ids.allot_texts(Kind.CATEGORIES, tree.names),
        "sellers": ids.allot_texts(Kind.SELLERS, goods.sellers),
        "brands": ids.allot_texts(Kind.BRANDS, goods.brands),
    }
    return Writer(folder.keys, goods, tree.names, Numbers(ids.publish().generation, **numbers), made.now_ms)


def _record(records: Records, made: Made, writer: Writer) -> None:
    goods, tree, numbers = made.goods, made.tree, writer.numbers
    parents = np.full(len(tree.names), NO_REASON, np.uint32)
    inner = tree.parents != NO_REASON
    parents[inner] = numbers.categories[tree.parents[inner]]
    products = zip(
        numbers.masters.tolist(), writer.masters, goods.titles(tree), itertools.repeat(""),
        numbers.categories[tree.leaves][goods.leaf].tolist(), numbers.brands[goods.brand].tolist(),
        itertools.repeat(made.now_ms),
    )  # fmt: skip
    offers = zip(
        numbers.pids.tolist(), writer.pids, numbers.masters[goods.offered].tolist(), goods.price.tolist(),
        numbers.sellers[goods.seller].tolist(), goods.rating.tolist(), goods.stock.tolist(), strict=True,
    )  # fmt: skip
    categories = zip(numbers.categories.tolist(), tree.names, itertools.repeat(""), tree.names, parents.tolist())
    records.save(products, offers, categories)
