"""The obvious recommender: redis-py pipelines over the documented keys, dicts, heapq. The same rules, nothing packed.

    python -m benchmarks.peers.obvious_recommender REDIS CATALOGUES SECONDS USERS

Called in its own process without any server, which is to its good; so are offers, promos and categories, which it has
in dicts from the start. Prints what it did as JSON.
"""

import heapq
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from redis import Redis

from benchmarks.shop import zipf
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import CatalogueKeys
from conch.recommendation.scenarios import Scenario, Scenarios
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import IdIndex, Kind
from conch.stores.snapshot import Snapshot

KEYS = CatalogueKeys()
Scores = Mapping[str, float]
CANDIDATES = 1_000


@dataclass(frozen=True)
class Goods:
    """By name, in dicts."""

    master_of: Mapping[str, str]
    category_of: Mapping[str, str]
    offers: Mapping[str, Sequence[tuple[str, float, str, float]]]
    """By master: pid, price, seller and rating of what is in stock."""
    brands: Mapping[str, int]
    promos: Mapping[str, Mapping[str, float]]


class Obvious:
    def __init__(self, redis: Redis, goods: Goods) -> None:
        self._redis, self._goods = redis, goods
        self.entries = 0

    def recommend(self, user: str, scenario: Scenario) -> list[tuple[float, str]]:
        return self.ranked(self.candidates(user, scenario), scenario)

    def candidates(self, user: str, scenario: Scenario) -> Sequence[tuple[float, str]]:
        mix = scenario.mix
        views, liked, bought = self._wave(
            ("LRANGE", KEYS.views(user), 0, -1), *_ranges([KEYS.recent_categories(user), KEYS.bought(user)])
        )
        masters = list(dict.fromkeys(self._goods.master_of[pid] for pid in views))[: mix.views]
        weights: dict[str, float] = {}
        for i, master in enumerate(masters):
            _raise(weights, self._goods.category_of[master], mix.category_viewed * mix.recency**i)
        viewed = list(weights.items())
        for category, share in _scaled(liked).items():
            _raise(weights, category, mix.category_liked * share)
        answers = self._wave(
            *_ranges([KEYS.semantic(master) for master in masters]),
            *_ranges([KEYS.co_view(category) for category, _ in viewed]),
        )
        for (_, weight), seen in zip(viewed, answers[len(masters) :], strict=True):
            for category, share in _scaled(seen).items():
                _raise(weights, category, mix.category_co_viewed * weight * share)
        chosen = heapq.nsmallest(mix.categories, weights, key=lambda name: (-weights[name], name))
        sold = self._wave(*_ranges([KEYS.best_sellers(category) for category in chosen]))
        lists = [(mix.semantic * mix.recency**i, dict(related)) for i, related in enumerate(answers[: len(masters)])]
        for category, best in zip(chosen, sold, strict=True):
            of_masters: dict[str, float] = {}
            for pid, score in best:
                _raise(of_masters, self._goods.master_of[pid], score)
            lists.append((mix.category * weights[category], of_masters))
        out = {*masters, *(self._goods.master_of[pid] for pid, _ in bought)}
        return _merged(lists, out)

    def ranked(self, masters: Iterable[tuple[float, str]], scenario: Scenario) -> list[tuple[float, str]]:
        ranking, now_ms = scenario.ranking, time.time() * 1000
        best: list[tuple[float, float, float, str, str, str]] = []
        for score, master in masters:
            offers = []
            for pid, price, seller, rating in self._goods.offers.get(master, ()):
                promo = self._goods.promos.get(pid)
                rule = score
                if promo and promo["expiry"] > now_ms:
                    rule = rule * promo.get("boost", 1.0) + (ranking.flash_bonus if promo.get("flash_sale") else 0.0)
                offers.append((-rule, price, -rating, pid, seller, master))
            if offers:
                best.append(min(offers))
        heapq.heapify(best)
        taken: list[tuple[float, str]] = []
        counts: dict[object, int] = defaultdict(int)
        while best and len(taken) < ranking.k:
            rule, _, _, pid, seller, master = heapq.heappop(best)
            brand, category = ("brand", self._goods.brands[master]), self._goods.category_of[master]
            caps = ((seller, ranking.seller_cap), (brand, ranking.brand_cap), (category, ranking.category_cap))
            if not any(cap and counts[what] >= cap for what, cap in caps):
                taken.append((-rule, pid))
                for what, _ in caps:
                    counts[what] += 1
        return taken

    def _wave(self, *commands: tuple[Any, ...]) -> list[Any]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for name, *rest in commands:
                if name == "LRANGE":
                    pipeline.lrange(*rest)
                else:
                    key, first, last = rest
                    pipeline.zrevrange(key, first, last, withscores=True)
            answers = pipeline.execute()
        self.entries += sum(map(len, answers))
        return list(answers)


def _ranges(keys: Iterable[str]) -> list[tuple[Any, ...]]:
    return [("ZREVRANGE", key, 0, 99) for key in keys]


def _merged(lists: Sequence[tuple[float, Scores]], out: set[str]) -> Sequence[tuple[float, str]]:
    whole = sum(weight for weight, _ in lists) or 1.0
    totals: dict[str, float] = defaultdict(float)
    for weight, scores in lists:
        highest = max(scores.values(), default=0.0)
        if highest > 0:
            for master, score in scores.items():
                if master not in out:
                    totals[master] += weight * score / highest / whole
    return [(-score, name) for score, name in heapq.nsmallest(CANDIDATES, ((-s, name) for name, s in totals.items()))]


def _scaled(pairs: Sequence[tuple[str, float]]) -> Scores:
    highest = max((score for _, score in pairs), default=0.0)
    return {name: score / highest for name, score in pairs} if highest > 0 else {}


def _raise(scores: dict[str, float], name: str, score: float) -> None:
    scores[name] = max(score, scores.get(name, 0.0))


def goods_of(folder: CatalogueFolder, redis: Redis) -> Goods:
    ids, columns = IdIndex.open(folder.ids), Snapshot.open(folder.snapshot).plain
    masters = texts_of(ids.uuids(Kind.MASTERS, np.arange(len(columns.master_category), dtype=np.uint32)))
    pids = texts_of(ids.uuids(Kind.PIDS, np.arange(len(columns.pid_master), dtype=np.uint32)))
    names = [ids.text(Kind.CATEGORIES, number) for number in range(len(columns.category_parent))]
    offers: dict[str, list[tuple[str, float, str, float]]] = defaultdict(list)
    rows = zip(pids, columns.pid_master.tolist(), columns.pid_price.tolist(), columns.pid_seller.tolist(),
               columns.pid_rating.tolist(), columns.pid_stock.tolist(), strict=True)  # fmt: skip
    for pid, master, price, seller, rating, stock in rows:
        if stock:
            offers[masters[master]].append((pid, price, str(seller), rating))
    promos: dict[str, Mapping[str, float]] = {}
    for key in redis.scan_iter(match="promo:*", count=1_000):
        fields: dict[Any, Any] = redis.hgetall(key)
        promos[key.removeprefix("promo:")] = {name: float(value) for name, value in fields.items()}
    owners = columns.pid_master.tolist()
    return Goods(
        {pid: masters[owner] for pid, owner in zip(pids, owners, strict=True)},
        {master: names[number] for master, number in zip(masters, columns.master_category.tolist(), strict=True)},
        offers,
        dict(zip(masters, columns.master_brand.tolist(), strict=True)),
        promos,
    )


def main(address: str, catalogues: str, seconds: str, users: str) -> None:
    host, _, port = address.rpartition(":")
    with Redis(host=host, port=int(port), decode_responses=True, protocol=2) as redis:
        folder = CatalogueFolder.of(Path(catalogues), "default")
        obvious = Obvious(redis, goods_of(folder, redis))
        scenario = Scenarios.read().scenario()
        found = {}
        asked = [f"user-{row}" for row in zipf(int(users), 20_000, seed=2).tolist()]
        server = psutil.Process(redis.info("server")["process_id"])
        for name, ask in (("candidates", obvious.candidates), ("recommend", obvious.recommend)):
            obvious.entries = 0
            times: list[float] = []
            worked, served, end = time.process_time(), sum(server.cpu_times()[:2]), time.monotonic() + float(seconds)
            while (began := time.monotonic()) < end:
                ask(asked[len(times) % len(asked)], scenario)
                times.append(time.monotonic() - began)
            found[name] = {
                "requests": len(times),
                "entries_per_request": obvious.entries / len(times),
                "cpu_ms": (time.process_time() - worked + sum(server.cpu_times()[:2]) - served) / len(times) * 1e3,
                "p50_ms": float(np.percentile(times, 50)) * 1e3,
                "p99_ms": float(np.percentile(times, 99)) * 1e3,
            }
        print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
