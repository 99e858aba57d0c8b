"""Rank masters by their best offers, with promos, stock, bids and caps as they stand now.

The rules are conch/recommendation/ranking.py; promos come from the host's generation under this process's own changes
(conch/stores/promos.py), or, when told to be strict, from the store.
"""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import ConchError, InvalidRequest, Unavailable
from conch.contracts.provenance import NO_REASON, SOURCES
from conch.contracts.specs import PROMO_RANKER, RANKED_MOST
from conch.models.base import Arrays, Count, ModelContext, RaggedModel, Row, strings, uncounted
from conch.models.shop import Shop, Shops, tell_degraded
from conch.recommendation.merging import F4, U4, Pool
from conch.recommendation.ranking import Promos, rank
from conch.recommendation.scenarios import Scenario, Scenarios
from conch.stores.ids import Kind

NOT_STRICT = "redis: promos from the snapshot, though asked to be fresh"


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
        shops = {row.identity.tenant: self._shops.of(row.identity.tenant) for row in rows}
        for shop in shops.values():
            shop.refresh()
            shop.take_up_promos()
            shop.tell(self._count)
        return [self._answered(shops[row.identity.tenant], row) for row in rows]

    def close(self) -> None:
        self._shops.close()

    def _answered(self, shop: Shop, row: Row) -> Arrays | ConchError:
        try:
            scenario = self._scenarios.scenario(row.text("widget"), row.text("variant"))
            k = int(row["k"].item()) if "k" in row else scenario.ranking.k
            if not 1 <= k <= RANKED_MOST:
                raise InvalidRequest(f"k is {k}, it must be from 1 to {RANKED_MOST}").about("k")
            given = _given(shop, row)
            promos, degraded = _promos(shop, row, given.masters, scenario.timeout_ms / 1000)
            told = sorted({*degraded, *shop.degraded()})
            tell_degraded(self._count, told, 1)
            return _ranked(shop, given, promos, scenario, k, told)
        except ConchError as error:
            return error


@dataclass(frozen=True, slots=True)
class _Given:
    """Columns of masters that are to be ranked."""

    masters: U4
    scores: F4
    sources: U4
    parts: F4
    reasons: U4


def _ranked(shop: Shop, given: _Given, promos: Promos, scenario: Scenario, k: int, degraded: Sequence[str]) -> Arrays:
    # A master that is not in the catalogue has no offer: one row beyond the map says so for all of them.
    known = np.minimum(given.masters, np.uint32(shop.snapshot.masters))
    now_ms = time.time_ns() // 1_000_000
    items = rank(known, np.ascontiguousarray(given.scores), shop.offers, promos, scenario.ranking, k, now_ms)
    places = items.places
    owners = given.masters[places]
    return {
        "pids": items.pids,
        "pid_uuids": shop.ids.uuids(Kind.PIDS, items.pids),
        "item_masters": owners,
        "item_master_uuids": shop.ids.uuids(Kind.MASTERS, owners),
        "item_scores": items.scores,
        "item_sources": given.sources[places],
        "item_parts": given.parts[places],
        "item_reasons": given.reasons[places],
        "item_bases": given.scores[places],
        "changes": items.changes,
        "adjustments": items.adjustments,
        "prices": shop.offers.prices[items.pids],
        "dropped": items.dropped,
        "ranker_degraded": strings(degraded),
    }


def _given(shop: Shop, row: Row) -> _Given:
    ways = [name for name in ("masters", "master_uuids", "pool") if name in row]
    if len(ways) != 1:
        raise InvalidRequest("exactly one of masters, master_uuids and pool must be given").about("masters")
    if "pool" in row:
        masters = Pool(row["pool"]).masters
    else:
        masters = row["masters"] if "masters" in row else shop.ids.look_up(Kind.MASTERS, row["master_uuids"])
    if len(masters) > RANKED_MOST:
        raise InvalidRequest(f"{ways[0]} has {len(masters)} rows, at most {RANKED_MOST}").about(ways[0])
    for name in ("scores", "sources", "parts", "reasons"):
        if name in row and len(row[name]) != len(masters):
            raise InvalidRequest(f"{name} has {len(row[name])} rows, {ways[0]} {len(masters)}").about(name)
    if "pool" in row:
        return _of_pool(Pool(row["pool"]), row["scores"])
    return _Given(
        masters,
        row["scores"],
        _column(row, "sources", np.zeros(len(masters), np.uint32)),
        _column(row, "parts", np.zeros((len(masters), len(SOURCES)), np.float32)),
        _column(row, "reasons", np.full(len(masters), NO_REASON, np.uint32)),
    )


def _of_pool(pool: Pool, scores: F4) -> _Given:
    # Nobody has looked at its floats: on its way here it was a table of whole numbers.
    if not np.isfinite(pool.parts).all():
        raise InvalidRequest("pool has parts that are NaN or infinite").about("pool")
    return _Given(pool.masters, scores, pool.sources, pool.parts, pool.reasons)


def _promos(shop: Shop, row: Row, masters: U4, within_s: float) -> tuple[Promos, Sequence[str]]:
    if "strict" not in row or not bool(row["strict"].item()):
        return shop.promos.current(), []
    try:
        return shop.promos.fresh(shop.offers_of(masters), shop.ids, within_s), []
    except Unavailable:
        return shop.promos.current(), [NOT_STRICT]


def _column(row: Row, name: str, default: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return row.tensors.get(name, default)
