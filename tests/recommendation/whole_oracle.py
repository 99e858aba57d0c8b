"""Recommendation from what is documented: sorted sets, lists and hashes of Redis in, ranked offers out, with dicts.

Goods (categories, offers, prices) are the snapshot's, whose numbers break ties. Slow, and nothing of it is the models'.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import CO_VIEW_KEPT
from conch.contracts.provenance import NO_REASON, Source
from conch.recommendation.merging import Ranked
from conch.recommendation.scenarios import Mix, Ranking
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash, HotFeatures, List, SortedSet
from conch.stores.ids import IdIndex, Kind
from conch.stores.snapshot import Snapshot
from tests.recommendation import oracle, ranking_oracle
from tests.recommendation.ranking_oracle import Master, Offer, Promo

SEMANTIC, CATEGORY, CO_VIEW, POPULAR = range(4)


@dataclass(frozen=True)
class Wish:
    user: str = ""
    item: str = ""
    category: str = ""
    exclude: Collection[str] = ()
    candidates: int = 1_000


@dataclass(frozen=True)
class Expected:
    masters: Sequence[oracle.Candidate]
    fallback: str


@dataclass(frozen=True)
class WholeOracle:
    folder: CatalogueFolder
    hot: HotFeatures
    promos: dict[int, Promo | None] = field(default_factory=dict)

    @cached_property
    def ids(self) -> IdIndex:
        return IdIndex.open(self.folder.ids)

    @cached_property
    def snapshot(self) -> Snapshot:
        return Snapshot.open(self.folder.snapshot)

    @cached_property
    def users(self) -> list[str]:
        return sorted(key.removeprefix("user:views:") for key in self.hot.scan("user:views:*"))

    def candidates(self, wish: Wish, mix: Mix) -> Expected:
        views = [self.number(Kind.PIDS, pid) for pid in self.views(wish.user)]
        seen = [self.master_of(pid) for pid in views]
        looked_at = self.number_of_item(wish.item)
        about = list(dict.fromkeys(([looked_at] if looked_at is not None else []) + seen))
        masters = [(master, mix.recency**i) for i, master in enumerate(about[: mix.views + (looked_at is not None)])]
        categories = self.categories(wish, masters, mix)
        liked = [bits for _, _, bits in categories if Source.CATEGORY_LIKED in bits]
        lists = [*self.of_masters(masters, mix.semantic, SEMANTIC), *self.of_masters(masters, mix.co_view, CO_VIEW)]
        personal = bool(lists) or bool(liked)
        if mix.category > 0:
            lists += [self.best_sellers(number, mix.category * weight, bits) for number, weight, bits in categories]
        out = {*seen, *self.bought(wish.user), *self.excluded(wish.exclude)} | {looked_at}
        found = oracle.merged(lists, out, wish.candidates)
        if found:
            return Expected(found, "" if personal else "category_best_sellers")
        for number, weight, bits in categories:
            for ancestor in self.ancestors(number):
                if wider := oracle.merged([self.best_sellers(ancestor, weight, bits)], out, wish.candidates):
                    return Expected(wider, "category_best_sellers")
        columns = self.snapshot.columns
        popular = np.array([self.master_of(pid) for pid in columns.popular_pids.tolist()], np.uint32)
        ranked = Ranked(popular, columns.popular_scores, POPULAR, Source.POPULAR, 1.0)
        return Expected(oracle.merged([ranked], out, wish.candidates), "best_sellers")

    def ranked(self, expected: Expected, ranking: Ranking, k: int, now_ms: int) -> ranking_oracle.Ranked:
        masters = [(self.master(number), score) for number, score, *_ in expected.masters]
        return ranking_oracle.ranked(masters, ranking, k, now_ms)

    def categories(self, wish: Wish, masters: Sequence[tuple[int, float]], mix: Mix) -> list[tuple[int, float, Source]]:
        weights: dict[int, float] = {}
        bits: dict[int, Source] = {}

        def take(number: int | None, weight: float, how: Source) -> None:
            if number is not None and number != NO_REASON and weight > 0:
                weights[number] = max(weight, weights.get(number, 0.0))
                bits[number] = bits.get(number, Source(0)) | how

        take(self.number(Kind.CATEGORIES, wish.category), mix.category_viewed, Source.CATEGORY_VIEWED)
        for master, recency in masters:
            leaf = int(self.snapshot.columns.master_category[master])
            take(leaf, mix.category_viewed * recency, Source.CATEGORY_VIEWED)
        viewed = list(weights.items())
        interests = self.scores(self.folder.keys.recent_categories(wish.user)) if wish.user else {}
        for name, share in scaled(interests).items():
            take(self.number(Kind.CATEGORIES, name), mix.category_liked * share, Source.CATEGORY_LIKED)
        for number, weight in viewed:
            for name, share in self.seen_with(number, mix.live_co_view).items():
                other = self.number(Kind.CATEGORIES, name)
                take(other, mix.category_co_viewed * weight * share, Source.CATEGORY_CO_VIEWED)
        heaviest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[: mix.categories]
        return [(number, weight, bits[number]) for number, weight in heaviest]

    def seen_with(self, category: int, live: bool) -> Mapping[str, float]:
        keys, name = self.folder.keys, self.ids.text(Kind.CATEGORIES, category)
        together = scaled(self.scores(keys.co_view(name))) if live else {}
        for other, share in scaled(self.scores(keys.related_categories(name))).items():
            if len(together) < CO_VIEW_KEPT:
                together.setdefault(other, share)
        return together

    def of_masters(self, masters: Sequence[tuple[int, float]], weight: float, source: int) -> list[Ranked]:
        lists: list[Ranked] = []
        for master, recency in masters:
            name = self.name(Kind.MASTERS, master)
            keys = self.folder.keys
            scores = self.scores(keys.semantic(name) if source == SEMANTIC else keys.master_co_view(name))
            if scores and weight * recency > 0:
                bits = Source.SEMANTIC if source == SEMANTIC else Source.CO_VIEW
                numbers = np.array([self.number(Kind.MASTERS, other) for other in scores], np.uint32)
                lists.append(
                    Ranked(numbers, np.array(list(scores.values()), "f4"), source, bits, weight * recency, master)
                )
        return lists

    def best_sellers(self, category: int, weight: float, bits: Source) -> Ranked:
        scores = self.scores(self.folder.keys.best_sellers(self.ids.text(Kind.CATEGORIES, category)))
        if not scores:  # where nothing has sold, the best rated
            columns = self.snapshot.columns
            here = slice(int(columns.best_starts[category]), int(columns.best_starts[category + 1]))
            pids, values = columns.best_pids[here].tolist(), columns.best_scores[here].tolist()
        else:
            pids, values = [self.number(Kind.PIDS, pid) for pid in scores], list(scores.values())
        masters = np.array([self.master_of(pid) for pid in pids], np.uint32)
        return Ranked(masters, np.array(values, np.float32), CATEGORY, bits, weight, category)

    def master(self, number: int) -> Master:
        columns = self.snapshot.columns
        here = slice(int(columns.offer_starts[number]), int(columns.offer_starts[number + 1]))
        offers = [
            Offer(
                pid=pid,
                price=float(columns.pid_price[pid]),
                rating=float(columns.pid_rating[pid]),
                seller=int(columns.pid_seller[pid]),
                stock=bool(columns.pid_stock[pid]),
                promo=self.promo(pid),
            )
            for pid in columns.offer_pids[here].tolist()
        ]
        return Master(number, offers, int(columns.master_brand[number]), int(columns.master_category[number]))

    def promo(self, pid: int) -> Promo | None:
        if pid not in self.promos:
            value = self.hot.documented(self.folder.keys.promo(self.name(Kind.PIDS, pid)))
            self.promos[pid] = promo_of(value.fields) if isinstance(value, Hash) else None
        return self.promos[pid]

    def bought(self, user: str) -> set[int]:
        pids = self.scores(self.folder.keys.bought(user)) if user else {}
        return {self.master_of(self.number(Kind.PIDS, pid)) for pid in pids}

    def excluded(self, keys: Collection[str]) -> set[int]:
        return {number for key in keys if (number := self.number_of_item(key)) is not None}

    def number_of_item(self, key: str) -> int | None:
        pid = self.number(Kind.PIDS, key)
        return self.master_of(pid) if pid is not None else self.number(Kind.MASTERS, key)

    def master_of(self, pid: int) -> int:
        return int(self.snapshot.columns.pid_master[pid])

    def ancestors(self, category: int) -> list[int]:
        parent = int(self.snapshot.columns.category_parent[category])
        return [] if parent == NO_REASON else [parent, *self.ancestors(parent)]

    def views(self, user: str) -> Sequence[str]:
        """Pids, the last first."""
        value = self.hot.documented(self.folder.keys.views(user)) if user else None
        return value.items if isinstance(value, List) else []

    def scores(self, key: str) -> Mapping[str, float]:
        value = self.hot.documented(key)
        # Single precision is what travels.
        found = value.scores if isinstance(value, SortedSet) else {}
        return {name: float(np.float32(score)) for name, score in found.items()}

    def number(self, kind: Kind, key: str) -> int | None:
        return _number(self.ids, kind, self.folder.name, key) if key else None

    def name(self, kind: Kind, number: int) -> str:
        return texts_of(self.ids.uuids(kind, np.array([number], np.uint32)))[0]


@cache
def _number(ids: IdIndex, kind: Kind, catalogue: str, key: str) -> int | None:
    found = int(ids.look_up(kind, uuids_of(catalogue, [key]))[0])
    return None if found == NO_REASON else found


def scaled(scores: Mapping[str, float]) -> dict[str, float]:
    highest = max(scores.values(), default=0.0)
    return {name: max(score, 0.0) / highest for name, score in scores.items()} if highest > 0 else {}


def promo_of(fields: Mapping[str, str]) -> Promo:
    def number(name: str) -> float | None:
        return float(np.float32(fields[name])) if name in fields else None

    return Promo(
        boost=number("boost"),
        bid=number("ad_bid"),
        expiry=int(fields.get("expiry", "0")),
        out_of_stock=fields.get("out_of_stock") == "1",
        flash_sale=fields.get("flash_sale") == "1",
    )
