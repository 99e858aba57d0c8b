"""Models hear what changed in a real Redis: relations and promos are new in the next batches."""

import time
from collections.abc import Iterator
from contextlib import closing
from operator import attrgetter

import numpy as np
import pytest

from conch.contracts import metrics
from conch.contracts.features import Family, Packed, Stamp, pack
from conch.contracts.identifiers import uuids_of
from conch.models.candidates import Candidates
from conch.models.promo_ranker import PromoRanker
from conch.models.shop import Shops
from conch.recommendation.scenarios import Scenarios
from conch.stores.features import Write
from conch.stores.ids import IdWriter, Kind
from conch.stores.redis_features import RedisFeatures
from conch.stores.sqlite_relations import SqliteRelations
from tests.made_up_shop import ShopStack, made_up_shop
from tests.models import test_candidates, test_promo_ranker
from tests.recommendation.whole_oracle import WholeOracle, Wish
from tests.settling import becomes

SCENARIOS = Scenarios.read()
DAY_MS = 86_400_000


class Counted:
    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}

    def __call__(self, metric: metrics.Metric, amount: float, **labels: str) -> None:
        key = (metric.name, *labels.values())
        self.counts[key] = self.counts.get(key, 0) + amount


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Iterator[ShopStack]:
    with made_up_shop(tmp_path_factory.mktemp("own"), masters=200) as stack:
        yield stack


@pytest.fixture
def oracle(own) -> Iterator[WholeOracle]:
    hot = RedisFeatures(own.redis.address, deadline_s=30)
    yield WholeOracle(own.catalogue, hot)
    hot.close()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def candidates(own, counted) -> Iterator[Candidates]:
    shops = Shops.of_environment(own.environment, hears=attrgetter("features_packed"))
    model = Candidates(shops, SCENARIOS, counted)
    yield model
    model.close()


def listening(own: ShopStack, channel: str) -> int:
    with own.redis.client() as redis:
        return int(redis.pubsub_numsub(channel)[0][1])


def relate(oracle: WholeOracle, master: int, related: list[int], made_ms: int) -> str:
    """Returns the documented key."""
    key = oracle.folder.keys.semantic(oracle.name(Kind.MASTERS, master))
    columns = {"ids": np.array(related, np.uint32), "scores": np.ones(len(related), np.float32)}
    packed = Packed(Family.SEMANTIC, columns, oracle.ids.generation, Stamp(9, made_ms))
    oracle.hot.write([Write(key, pack(packed))])
    return key


def test_relations_that_were_packed_anew_are_in_the_next_batches(own, oracle, candidates):
    beside = test_candidates.row(Wish(item=oracle.name(Kind.MASTERS, 7)), "product")

    def first() -> list[int]:
        return candidates.predict([beside])[0]["masters"][:2].tolist()

    candidates.predict([beside])
    channel = oracle.folder.keys.features_packed
    assert becomes(lambda: listening(own, channel), 1) == 1
    key = relate(oracle, 7, [150, 151], time.time_ns() // 1_000_000)
    assert first() != [150, 151]
    oracle.hot.publish(channel, [key, "no key of ours", "promo:x"])
    assert becomes(first, [150, 151]) == [150, 151]


def test_old_relations_are_served_marked_and_told_of_once(oracle, candidates, counted, caplog):
    key = relate(oracle, 8, [150], time.time_ns() // 1_000_000 - 100 * DAY_MS)
    beside = test_candidates.row(Wish(item=oracle.name(Kind.MASTERS, 8)), "product")
    for _ in range(3):
        (answer,) = candidates.predict([beside])
        candidates._shops.of("default").reader.forget_all()
    place = answer["masters"].tolist().index(150)
    assert answer["sources"][place] & 128
    assert counted.counts["conch_model_stale_relations_total",] == 3
    assert [record.message for record in caplog.records if key in record.message] == [
        f"relations {key} are 100 days old, at most 90"
    ]


def test_masters_without_relations_are_asked_for_and_counted(own, oracle, candidates, counted):
    name = oracle.name(Kind.MASTERS, 9)
    oracle.hot.delete([oracle.folder.keys.semantic(name)])
    with own.redis.client() as redis, redis.pubsub() as heard:
        heard.subscribe(oracle.folder.keys.relations_wanted)
        with closing(SqliteRelations(own.catalogue.relations)) as durable:
            durable.delete([oracle.folder.keys.semantic(name)])
        beside = test_candidates.row(Wish(item=name), "product")
        candidates.predict([beside])
        candidates.predict([beside])
        messages = []
        while not messages:
            message = heard.get_message(ignore_subscribe_messages=True, timeout=5)
            messages += [message["data"].decode()] if message else []
    assert messages == [name]
    assert counted.counts["conch_model_features_total", "miss"] >= 1


def test_a_flash_sale_is_in_the_next_batches(own, oracle):
    shops = Shops.of_environment(own.environment, hears=attrgetter("promos_changed"))
    model = PromoRanker(shops, SCENARIOS)
    asked = test_promo_ranker.row(range(200), np.linspace(1, 0.5, 200))

    def first() -> int:
        return int(model.predict([asked])[0]["pids"][0])

    pid = int(model.predict([asked])[0]["pids"][9])
    channel = oracle.folder.keys.promos_changed
    assert becomes(lambda: listening(own, channel), 1) == 1
    name = test_promo_ranker.put_promo(own, pid, {"flash_sale": "1", "boost": "9"})
    assert first() != pid
    oracle.hot.publish(channel, [name, "{no pid}"])
    assert becomes(first, pid) == pid
    model.close()


def test_a_break_makes_models_forget_and_is_counted(own, oracle, candidates, counted):
    beside = test_candidates.row(Wish(item=oracle.name(Kind.MASTERS, 11)), "product")
    candidates.predict([beside])
    assert becomes(lambda: listening(own, oracle.folder.keys.features_packed), 1) == 1
    relate(oracle, 11, [152], time.time_ns() // 1_000_000)
    with own.redis.client() as redis:
        redis.execute_command("CLIENT KILL TYPE pubsub")

    def first() -> int:
        return int(candidates.predict([beside])[0]["masters"][0])

    assert becomes(first, 152) == 152
    assert counted.counts["conch_model_changes_lost_total",] >= 1


def test_hits_and_what_was_away_are_counted(own, oracle, counted):
    model = Candidates(Shops.of_environment(own.environment), SCENARIOS, counted)
    user = test_candidates.row(Wish(user=oracle.users[0]))
    model.predict([user])
    hits = counted.counts["conch_model_features_total", "hit"]
    assert hits > 0
    # Remembered ones are hits too, once a batch.
    model.predict([user, user])
    assert counted.counts["conch_model_features_total", "hit"] == 2 * hits
    assert ("conch_model_degraded_total", "redis") not in counted.counts
    nowhere = Candidates(Shops(own.catalogues, "127.0.0.1:1"), SCENARIOS, counted)
    nowhere.predict([user, user])
    assert counted.counts["conch_model_degraded_total", "redis"] == 2
    model.close()
    nowhere.close()


def test_a_generation_that_a_blob_names_is_taken_up_at_once_and_ids_beyond_it_are_counted(own, oracle, counted):
    user, views = test_candidates.row(Wish(user="traveller")), oracle.folder.keys.views("traveller")
    model = Candidates(Shops.of_environment(own.environment), SCENARIOS, counted)
    model.predict([user])
    writer = IdWriter(own.catalogue.ids, "default")
    new = int(writer.allot(Kind.MASTERS, uuids_of("default", ["made while it runs"]))[0])
    generation = writer.publish().generation
    oracle.hot.write([Write(views, viewed([new, 3], generation))])
    model.predict([user])
    assert model._shops.of("default").ids.generation == generation
    assert counted.counts.get(("conch_model_unknown_ids_total",), 0) == 0
    oracle.hot.write([Write(views, viewed([new + 1, 3], generation + 1))])
    (answer,) = model.predict([user])
    assert counted.counts["conch_model_unknown_ids_total",] == 1
    assert (answer["fallback"].item(), 3 in answer["masters"]) == ("", False)
    model.close()


def viewed(masters: list[int], generation: int) -> bytes:
    columns = {"pids": np.zeros(len(masters), np.uint32), "masters": np.array(masters, np.uint32)}
    return pack(
        Packed(Family.VIEWS, columns, generation, Stamp(window_end_ms=time.time_ns() // 1_000_000 + generation))
    )


def test_views_that_are_not_packed_count_as_soon_as_they_are_written(own, oracle):
    views, seen = own.catalogue.keys.views("just-came"), oracle.name(Kind.PIDS, 3)
    own.catalogue.families.write_text('["user:views"]\npacked = false\n')
    with closing(Candidates(Shops.of_environment(own.environment), SCENARIOS)) as model:
        (before,) = model.predict([test_candidates.row(Wish(user="just-came"))])
        with own.redis.client() as redis:
            redis.rpush(views, seen)
        (after,) = model.predict([test_candidates.row(Wish(user="just-came"))])
    own.catalogue.families.unlink()
    assert (before["fallback"].item(), after["fallback"].item()) == ("best_sellers", "")
    assert after["degraded"].tolist() == []
