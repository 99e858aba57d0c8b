"""A made-up catalogue goes into the stores: durable tables, Redis, rollups."""

from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime

import numpy as np

from conch.catalogue import signals
from conch.catalogue.made import Made, Order, hot_masters
from conch.catalogue.promos import promos_of
from conch.catalogue.sessions import first_offers
from conch.catalogue.similar import groups_of, similar
from conch.catalogue.writes import Writer, as_json
from conch.contracts.features import Family
from conch.contracts.keys import CO_VIEW_KEPT, SEMANTIC_TTL_S
from conch.contracts.provenance import NO_REASON
from conch.features.packing import NO_PACKED
from conch.stores.batches import batches
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.features import HotFeatures, SortedSet, Write
from conch.stores.relations import PackedRow, Relations, Table
from conch.stores.rollups import ALL, Sale
from conch.stores.snapshot import U4

PANE_MS = 300_000

PANES_AT_ONCE = 12
"""Of one transaction: each has tens of thousands of sales in a large catalogue."""

AT_ONCE = 500
"""Writes of one pipeline."""

RELATED_AT_ONCE = 5_000
"""Masters whose relations are one transaction."""

SOURCE = "generated:1"
"""The inference_source of relations that nobody inferred."""


class Stocking:
    def __init__(
        self,
        made: Made,
        writer: Writer,
        hot: HotFeatures,
        durable: Relations,
        rollups: Callable[[], DuckDbRollups],
        progress: Callable[[str], None],
    ) -> None:
        self._made, self._writer = made, writer
        self._hot, self._durable, self._rollups = hot, durable, rollups
        self._progress = progress

    def stock(self, order: Order) -> int:
        """How many masters have relations."""
        hottest = self._offers(order.hot)
        self._progress("profiles")
        self._profiles()
        self._progress("best sellers")
        self._sales()
        self._progress("what is seen together")
        self._categories_together()
        self._masters_together(hottest)
        if not order.related:
            return 0
        self._progress("relations")
        return self._relate(hottest, order.related)

    def _offers(self, most: int) -> U4:
        """Of all in the durable store, of hot masters in Redis too. Returns those."""
        writer = self._writer
        self._progress("offers")
        self._durable.load(Table.OFFERS, writer.offer_rows(), writer.packed_offers())
        hottest, times = hot_masters(self._made, most)
        self._put(writer.hot_offers(hottest))
        names = [writer.masters[row] for row in hottest.tolist()]
        active = SortedSet(dict(zip(names, map(float, times.tolist()), strict=True)))
        self._put([Write(writer.keys.active_masters, NO_PACKED, active)])
        self._put(promos_of(writer))
        return hottest

    def _profiles(self) -> None:
        made, writer = self._made, self._writer
        self._put(writer.views(signals.last_views(made.views)))
        self._put(writer.interests(signals.interests(made.views, made.now_ms), made.tree.leaves))
        self._put(writer.bought(signals.purchases(made.views), first_offers(made.goods)))

    def _sales(self) -> None:
        made, writer = self._made, self._writer
        sold = signals.sold(made.views, made.tree.leaves, made.tree.parents, made.now_ms, PANE_MS)
        self._put(writer.best_sellers(signals.best_sellers(sold, made.now_ms)))
        begins = np.flatnonzero(np.diff(sold.pane_ms, prepend=-1)).tolist()
        bounds = list(zip(begins, [*begins[1:], len(sold.pane_ms)], strict=True))
        with closing(self._rollups()) as rollups:
            for some in batches(bounds, PANES_AT_ONCE):
                rollups.load({int(sold.pane_ms[begin]): self._pane(sold, begin, end) for begin, end in some})

    def _pane(self, sold: signals.Sold, begin: int, end: int) -> list[Sale]:
        names, pids = self._made.tree.names, self._writer.pids
        columns = (column[begin:end].tolist() for column in (sold.category, sold.offer, sold.units, sold.views))
        return [
            Sale(ALL if category == NO_REASON else names[category], pids[offer], units, views)
            for category, offer, units, views in zip(*columns, strict=True)
        ]

    def _categories_together(self) -> None:
        made, writer, keys = self._made, self._writer, self._writer.keys
        views, leaves = made.views, made.tree.leaves
        lately = signals.seen_together(views, views.leaf, signals.recency(views, made.now_ms), CO_VIEW_KEPT)
        ever = signals.seen_together(views, views.leaf, np.ones(len(views.leaf)), CO_VIEW_KEPT)
        for ranked, family, key_of, table in (
            (lately, Family.CO_VIEW, keys.co_view, Table.CO_VIEW),
            (ever, Family.RELATED_CATEGORIES, keys.related_categories, Table.RELATED_CATEGORIES),
        ):
            named = list(writer.of_categories(ranked, leaves, family, key_of))
            self._put(write for _, write, _ in named)
            rows = [(name, as_json(documented)) for name, _, documented in named]
            self._durable.load(table, rows, [PackedRow(write.key, write.packed) for _, write, _ in named])

    def _masters_together(self, hottest: U4) -> None:
        made = self._made
        hot = np.zeros(len(made.goods.uuids), bool)
        hot[hottest] = True
        weights = signals.recency(made.views, made.now_ms)
        pairs = signals.seen_together(made.views, made.views.master, weights, signals.MASTERS_CO_VIEWED)
        some = hot[pairs.owners]
        ranked = signals.Ranked(pairs.owners[some], pairs.members[some], pairs.scores[some])
        self._put(self._writer.co_viewed(ranked))

    def _relate(self, hottest: U4, most: int) -> int:
        related_masters = 0
        made, writer = self._made, self._writer
        made_at = datetime.fromtimestamp(made.now_ms / 1000, UTC).isoformat()
        groups = groups_of(made.goods.leaf, made.tree.shelves, most)
        for some in batches(similar(made.goods, groups, hottest, most), RELATED_AT_ONCE):
            rows: list[tuple[str, ...]] = []
            writes: list[Write] = []
            for row, related, scores in some:
                packed, documented = writer.relations(row, related, scores)
                rows.append((writer.masters[row], as_json(documented), made_at, SOURCE))
                key = writer.keys.semantic(writer.masters[row])
                writes.append(Write(key, packed, SortedSet(documented), SEMANTIC_TTL_S))
            self._durable.load(Table.SEMANTIC, sorted(rows), [PackedRow(write.key, write.packed) for write in writes])
            self._put(writes)
            related_masters += len(writes)
        return related_masters

    def _put(self, writes: Iterable[Write]) -> None:
        for some in batches(writes, AT_ONCE):
            self._hot.write(some)
