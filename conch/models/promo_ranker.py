"""Rank masters by their best offers, with promos, stock, bids and caps as they stand now.

The rules are conch/recommendation/ranking.py; promos come from the host's generation under this process's own changes
(conch/stores/promos.py), or, when told to be strict, from the store.
"""

import gc
import time
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Self

import numpy as np
from msgspec.structs import replace

from conch.contracts.errors import ConchError, InvalidRequest, Unavailable
from conch.contracts.provenance import NO_REASON
from conch.contracts.specs import POOL_WIDTH, PROMO_RANKER, RANKED_MOST
from conch.contracts.summary import Summary
from conch.models.base import Arrays, Count, ModelContext, RaggedModel, Row, uncounted
from conch.models.ranked import Ranked, answers_of
from conch.models.shop import Shop, Shops, tell_degraded
from conch.recommendation.merging import U4, Pool
from conch.recommendation.ranking import Market, rank
from conch.recommendation.scenarios import Scenarios
from conch.stores.attempts import Damaged
from conch.stores.ids import Kind

NOT_STRICT = "redis: promos from the snapshot, though asked to be fresh"

TOLD = ("scores", "sources", "parts", "reasons")
"""Beside masters; in a pool they are its columns."""


class PromoRanker(RaggedModel):
    spec = PROMO_RANKER

    def __init__(self, shops: Shops, scenarios: Scenarios, count: Count = uncounted) -> None:
        self._shops = shops
        self._scenarios = scenarios
        self._count = count

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        file = context.parameters.get("scenarios", "")
        scenarios = Scenarios.read(Path(file)) if file else Scenarios.read()
        shops = Shops.of_environment(hears=attrgetter("promos_changed"))
        shops.open()
        model = cls(shops, scenarios, context.count)
        model.predict([Row({"masters": np.zeros(1, np.uint32), "scores": np.ones(1, np.float32)})])
        # What is loaded by now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        return model

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        shops = {tenant: self._current(tenant) for tenant in {row.identity.tenant for row in rows}}
        ranked = [self._ranked(shops[row.identity.tenant], row) for row in rows]
        answers = iter(answers_of([one for one in ranked if isinstance(one, Ranked)]))
        return [next(answers) if isinstance(one, Ranked) else one for one in ranked]

    def close(self) -> None:
        self._shops.close()

    def _current(self, catalogue: str) -> Shop | Damaged:
        try:
            shop = self._shops.of(catalogue)
        except Damaged as error:
            return error
        shop.refresh()
        shop.take_up_promos()
        shop.tell(self._count)
        return shop

    def _ranked(self, shop: Shop | Damaged, row: Row) -> Ranked | ConchError:
        if isinstance(shop, Damaged):
            tell_degraded(self._count, ["catalogue: damaged"], 1)
            return shop
        try:
            told = _told(row)
            scenario = self._scenarios.scenario(told.widget, told.variant)
            k = int(row["k"].item()) if "k" in row else scenario.ranking.k
            if not 1 <= k <= RANKED_MOST:
                raise InvalidRequest(f"k is {k}, it must be from 1 to {RANKED_MOST}").about("k")
            pool = _pool(shop, row)
            market, away = _market(shop, row, pool.masters, scenario.timeout_ms / 1000)
            degraded = sorted({*away, *shop.degraded()})
            tell_degraded(self._count, degraded, 1)
            now_ms = time.time_ns() // 1_000_000
            items = rank(pool.masters, pool.scores, market, scenario.ranking, k, now_ms)
            told = replace(told, widget=scenario.widget, variant=scenario.variant)
            return Ranked(row, shop, items, Pool(pool.rows[items.places]), told, degraded)
        except ConchError as error:
            return error


def _told(row: Row) -> Summary:
    if "summary" not in row:
        return Summary(widget=row.text("widget"), variant=row.text("variant"))
    for name in ("widget", "variant"):
        if name in row:
            raise InvalidRequest(f"{name} and summary are given, {name} stands in the summary").about(name)
    try:
        return Summary.decode(row.text("summary"))
    except InvalidRequest as error:
        raise error.about("summary") from None


def _pool(shop: Shop, row: Row) -> Pool:
    """What is to be ranked."""
    ways = [name for name in ("masters", "master_uuids", "pool") if name in row]
    if len(ways) != 1:
        raise InvalidRequest("exactly one of masters, master_uuids and pool must be given").about("masters")
    way = ways[0]
    if len(row[way]) > RANKED_MOST:
        raise InvalidRequest(f"{way} has {len(row[way])} rows, at most {RANKED_MOST}").about(way)
    if way == "pool":
        return _as_it_came(row)
    if "scores" not in row:
        raise InvalidRequest(f"{way} is given without scores").about("scores")
    for name in TOLD:
        if name in row and len(row[name]) != len(row[way]):
            raise InvalidRequest(f"{name} has {len(row[name])} rows, {way} {len(row[way])}").about(name)
    masters = row["masters"] if way == "masters" else shop.ids.look_up(Kind.MASTERS, row["master_uuids"])
    pool = Pool(np.empty((len(masters), POOL_WIDTH), np.uint32))
    pool.masters[:], pool.scores[:] = masters, row["scores"]
    pool.sources[:] = row.tensors.get("sources", 0)
    pool.reasons[:] = row.tensors.get("reasons", NO_REASON)
    pool.parts[:] = row.tensors.get("parts", 0)
    return pool


def _as_it_came(row: Row) -> Pool:
    for name in TOLD:
        if name in row:
            raise InvalidRequest(f"{name} and pool are given, {name} are columns of the pool").about(name)
    pool = Pool(row["pool"])
    if not _is_finite(pool):
        raise InvalidRequest("pool has scores or parts that are NaN or infinite").about("pool")
    return pool


def _is_finite(pool: Pool) -> bool:
    """Nobody has looked at its floats: on its way here it was a table of whole numbers."""
    # All in a row and then all but the whole numbers: half the time of a column after the other.
    finite = np.isfinite(pool.rows.view(np.float32))
    finite[:, 0] = finite[:, 2:4] = True
    return bool(finite.all())


def _market(shop: Shop, row: Row, masters: U4, within_s: float) -> tuple[Market, Sequence[str]]:
    if "strict" not in row or not bool(row["strict"].item()):
        return shop.market(), []
    try:
        return Market(shop.offers, shop.promos.fresh(shop.offers_of(masters), shop.ids, within_s)), []
    except Unavailable:
        return shop.market(), [NOT_STRICT]
