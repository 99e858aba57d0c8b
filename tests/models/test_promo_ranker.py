"""Ranking in a made-up shop: held against dicts that read the documented promos, and while promos change."""

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.features import Family, Packed, Stamp, pack
from conch.contracts.identifiers import uuids_of
from conch.contracts.identity import Identity
from conch.contracts.items import items_in
from conch.contracts.provenance import CHANGES, DROPPED, NO_REASON, SOURCES, Change
from conch.contracts.summary import Standing, Summary
from conch.features.packing import promo_columns
from conch.models.base import Row, strings
from conch.models.promo_ranker import NOT_STRICT, PromoRanker
from conch.models.shop import Shops
from conch.recommendation.scenarios import Scenarios
from conch.stores.features import Hash, Write
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from tests.made_up_shop import ShopStack, made_up_shop
from tests.recommendation.whole_oracle import Expected, WholeOracle

SCENARIOS = Scenarios.read()
SLOWLY = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def model(shop_stack) -> Iterator[PromoRanker]:
    model = PromoRanker(Shops.of_environment(shop_stack.environment), SCENARIOS)
    yield model
    model.close()


@pytest.fixture(scope="module")
def oracle(shop_stack) -> Iterator[WholeOracle]:
    hot = RedisFeatures(shop_stack.redis.address, deadline_s=30)
    yield WholeOracle(shop_stack.catalogue, hot)
    hot.close()


def row(masters, scores, widget="home", k=50, strict=False, **more) -> Row:
    tensors = {
        "masters": np.array(masters, np.uint32),
        "scores": np.array(scores, np.float32),
        "widget": strings([widget]),
        "k": np.array([k], np.int32),
        "strict": np.array([strict]),
        **more,
    }
    return Row(tensors)


def said(answer):
    columns = (answer[name].tolist() for name in ("item_masters", "pids", "item_scores", "changes", "adjustments"))
    return [tuple(map(freeze, item)) for item in zip(*columns, strict=True)]


def freeze(value):
    return tuple(value) if isinstance(value, list) else value


def single(value: float) -> float:
    return float(np.float32(value))


def expected(oracle: WholeOracle, asked: Row, scenario) -> tuple[list[object], dict[str, int]]:
    masters = [
        (int(number), float(score), 0, (0.0,) * len(SOURCES), NO_REASON)
        for number, score in zip(asked["masters"], asked["scores"], strict=True)
    ]
    ranked = oracle.ranked(Expected(masters, ""), scenario.ranking, int(asked["k"].item()), time.time_ns() // 1_000_000)
    items = [
        (item.master, item.pid, single(item.score), int(item.changes), tuple(map(single, item.adjustments)))
        for item in ranked.items
    ]
    return items, dict(ranked.dropped)


@SLOWLY
@given(data=st.data(), strict=st.booleans())
def test_whole_batches_are_ranked_as_dicts_would(model, oracle, data, strict):
    numbers = st.integers(0, oracle.snapshot.masters - 1)
    scores = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])  # few of them: many ties
    rows = []
    for _ in range(data.draw(st.integers(1, 4))):
        masters = data.draw(st.lists(numbers, unique=True, max_size=300))
        widget = data.draw(st.sampled_from(list(SCENARIOS.widgets)))
        given_scores = data.draw(st.lists(scores, min_size=len(masters), max_size=len(masters)))
        rows.append(row(masters, given_scores, widget, data.draw(st.sampled_from([1, 7, 50, 1_000])), strict))
    for asked, answer in zip(rows, model.predict(rows), strict=True):
        items, dropped = expected(oracle, asked, SCENARIOS.scenario(asked.text("widget")))
        assert said(answer) == items
        assert {
            name: count for name, count in zip(DROPPED, answer["dropped"].tolist(), strict=True) if count
        } == dropped
        assert answer["ranker_degraded"].tolist() == []


def test_promos_of_the_made_up_shop_change_its_ranking(model, oracle):
    masters = list(range(1_000))
    (answer,) = model.predict([row(masters, [0.5] * 1_000, "sponsored", k=1_000)])
    changes = np.bitwise_or.reduce(answer["changes"])
    assert Change(int(changes)) >= Change.BOOSTED | Change.FLASH_SALE | Change.SPONSORED | Change.EXPIRED
    assert answer["dropped"][DROPPED.index("out_of_stock")] > 0
    columns = oracle.snapshot.columns
    assert answer["prices"].tolist() == columns.pid_price[answer["pids"]].tolist()
    assert oracle.ids.look_up(Kind.PIDS, answer["pid_uuids"]).tolist() == answer["pids"].tolist()
    assert oracle.ids.look_up(Kind.MASTERS, answer["item_master_uuids"]).tolist() == answer["item_masters"].tolist()


def test_uuids_rank_as_numbers_do(model, oracle):
    numbers = np.arange(200, dtype=np.uint32)
    asked = row(numbers, np.linspace(1, 0, 200))
    uuids = {**asked.tensors, "master_uuids": oracle.ids.uuids(Kind.MASTERS, numbers)}
    del uuids["masters"]
    first, second = model.predict([asked, Row(uuids)])
    assert said(first) == said(second)


def test_what_candidates_told_of_a_master_stands_beside_its_offer(model):
    told = {
        "sources": np.arange(9, dtype=np.uint32),
        "parts": np.arange(36, dtype=np.float32).reshape(9, 4),
        "reasons": np.arange(9, 18, dtype=np.uint32),
    }
    (answer,) = model.predict([row(range(9), np.linspace(1, 0.1, 9), **told)])
    masters = answer["item_masters"]
    assert len(masters) > 0
    assert answer["item_sources"].tolist() == masters.tolist()
    assert answer["item_parts"].tolist() == told["parts"][masters].tolist()
    assert answer["item_reasons"].tolist() == (masters + 9).tolist()


def test_a_pool_is_ranked_as_its_columns_are(model):
    told = {
        "sources": np.arange(9, dtype=np.uint32),
        "parts": np.arange(36, dtype=np.float32).reshape(9, 4),
        "reasons": np.arange(9, 18, dtype=np.uint32),
    }
    columns = row(range(9), np.linspace(1, 0.1, 9), **told)
    first, second = model.predict([columns, Row({"pool": pool_of(columns)})])
    assert {name: column.tolist() for name, column in first.items()} == {
        name: column.tolist() for name, column in second.items()
    }


COLUMNS = {
    "pid_uuid": "pid_uuids",
    "master_uuid": "item_master_uuids",
    "pid": "pids",
    "score": "item_scores",
    "price": "prices",
    "changes": "changes",
    "adjustments": "adjustments",
    "master": "item_masters",
    "base": "item_bases",
    "sources": "item_sources",
    "reason": "item_reasons",
    "parts": "item_parts",
}


def test_items_have_what_the_columns_have_each_in_its_own_answer(model):
    told = {"sources": np.arange(9, dtype=np.uint32), "reasons": np.arange(9, 18, dtype=np.uint32)}
    rows = [
        row(range(9), np.linspace(1, 0.1, 9), **told),
        row([], []),
        Row(row(range(5), np.ones(5)).tensors, Identity(tenant="another")),
        row(range(100, 400), np.linspace(1, 0.1, 300), "sponsored", parts=np.full((300, 4), 0.25, np.float32)),
    ]
    answers = model.predict(rows)
    assert [len(answer["items"]) > 0 for answer in answers] == [True, False, False, True]
    for answer in answers:
        items = items_in(answer["items"])
        assert {name: items[name].tolist() for name in COLUMNS} == {
            name: answer[column].tolist() for name, column in COLUMNS.items()
        }


def test_the_summary_that_comes_in_goes_out_with_what_the_ranker_did(model):
    came = Summary("an id", "sponsored", "treatment", "new", "best_sellers", ("redis: away",), {}, Standing("unknown"))
    masters = {"masters": np.arange(1_000, dtype=np.uint32), "scores": np.ones(1_000, np.float32)}
    by_summary, by_names = model.predict(
        [
            Row({**masters, "summary": strings([came.encode()])}),
            Row({**masters, "widget": strings(["sponsored"]), "variant": strings(["treatment"])}),
        ]
    )
    assert by_summary["items"].tolist() == by_names["items"].tolist()
    counts = zip(DROPPED, by_summary["dropped"].tolist(), strict=True)
    dropped = {reason: count for reason, count in counts if count}
    assert dropped
    assert Summary.decode(by_summary["summary"].item()) == replace(came, dropped=dropped)
    assert Summary.decode(by_names["summary"].item()) == Summary("", "sponsored", "treatment", dropped=dropped)


def test_what_nobody_asks_for_is_not_made(model):
    asked = row(range(9), np.ones(9))
    whole, part = model.predict([asked, Row(asked.tensors, wanted=frozenset({"items", "dropped"}))])
    assert {name: array.tolist() for name, array in part.items()} == {
        name: whole[name].tolist() for name in ("items", "dropped")
    }


def pool_of(columns: Row):
    floats = np.column_stack([columns["scores"], columns["parts"]]).view(np.uint32)
    return np.column_stack([columns["masters"], floats[:, 0], columns["sources"], columns["reasons"], floats[:, 1:]])


def test_masters_that_nobody_knows_have_no_offer(model):
    (answer,) = model.predict([row([2**32 - 1, 2**32 - 2, 10**9], [1, 1, 1])])
    assert len(answer["pids"]) == 0
    assert answer["dropped"][DROPPED.index("no_offer")] == 3
    assert answer["adjustments"].shape == (0, len(CHANGES))


def pool_with(column: int, value: float):
    pool = np.zeros((1, 8), np.float32)
    pool[0, column] = value
    return pool.view(np.uint32)


def told(summary: str) -> Row:
    return Row({"masters": np.ones(1, np.uint32), "scores": np.ones(1, np.float32), "summary": strings([summary])})


REFUSED = {
    "k 0": (row([1], [1], k=0), InvalidRequest),
    "k below 0": (row([1], [1], k=-1), InvalidRequest),
    "k of a million": (row([1], [1], k=10**6), InvalidRequest),
    "too many masters": (row(range(1_001), np.ones(1_001)), InvalidRequest),
    "fewer scores": (row([1, 2], [1]), InvalidRequest),
    "fewer reasons": (row([1, 2], [1, 1], reasons=np.zeros(1, np.uint32)), InvalidRequest),
    "both kinds of masters": (row([1], [1], master_uuids=np.zeros((1, 16), np.uint8)), InvalidRequest),
    "masters and a pool": (row([1], [1], pool=np.zeros((1, 8), np.uint32)), InvalidRequest),
    "masters without scores": (Row({"masters": np.ones(1, np.uint32)}), InvalidRequest),
    "scores beside a pool": (
        Row({"scores": np.ones(1, np.float32), "pool": np.zeros((1, 8), np.uint32)}),
        InvalidRequest,
    ),
    "a pool whose score is no number": (Row({"pool": pool_with(1, np.nan)}), InvalidRequest),
    "a pool whose score is infinite": (Row({"pool": pool_with(1, np.inf)}), InvalidRequest),
    "a pool whose last part is no number": (Row({"pool": pool_with(7, np.nan)}), InvalidRequest),
    "too large a pool": (Row({"pool": np.zeros((1_001, 8), np.uint32)}), InvalidRequest),
    "a summary that is no JSON": (told("{"), InvalidRequest),
    "a summary of nothing": (told(""), InvalidRequest),
    "a summary that is a list": (told("[]"), InvalidRequest),
    "a summary whose widget is a number": (told('{"widget": 1}'), InvalidRequest),
    "a summary with half a character": (told('{"fallback": "\\ud800"}'), InvalidRequest),
    "a summary deeper than a stack": (told('{"more": ' + "[" * 100_000 + "]" * 100_000 + "}"), InvalidRequest),
    "a summary whose rank is no u32": (told('{"explanation": {"state": "", "rank": 1e99}}'), InvalidRequest),
    "a summary of no such widget": (told('{"widget": "cellar"}'), NotFound),
    "a summary of no such variant": (told('{"variant": "third"}'), NotFound),
    "a summary and a widget": (row([1], [1], summary=strings(["{}"])), InvalidRequest),
    "no masters": (Row({"scores": np.ones(1, np.float32)}), InvalidRequest),
    "no such widget": (row([1], [1], "cellar"), NotFound),
}


def test_what_is_refused_leaves_its_neighbours_answered(model):
    good = row(range(9), np.ones(9))
    alone = said(model.predict([good])[0])
    first, *refused, last = model.predict([good, *(bad for bad, _ in REFUSED.values()), good])
    assert [type(error) for error in refused] == [kind for _, kind in REFUSED.values()]
    assert said(first) == said(last) == alone


@pytest.fixture
def own(tmp_path) -> Iterator[ShopStack]:
    """To be changed."""
    with made_up_shop(tmp_path, masters=100) as stack:
        yield stack


def put_promo(own: ShopStack, pid: int, fields: dict[str, str]) -> str:
    """Returns the pid's name."""
    with_ids = WholeOracle(own.catalogue, RedisFeatures(own.redis.address, deadline_s=30))
    name = with_ids.name(Kind.PIDS, pid)
    stamp = Stamp(1, time.time_ns() // 1_000_000)
    packed = pack(Packed(Family.PROMO, promo_columns(fields), with_ids.ids.generation, stamp))
    with_ids.hot.write([Write(own.catalogue.keys.promo(name), packed, Hash(fields))])
    with_ids.hot.close()
    return name


def test_a_strict_request_sees_a_promo_at_once_and_costs_one_command(own):
    model = PromoRanker(Shops.of_environment(own.environment), SCENARIOS)
    ask = partial(row, range(100), np.linspace(1, 0.5, 100))
    pid = int(model.predict([ask(strict=True)])[0]["pids"][5])
    put_promo(own, pid, {"flash_sale": "1", "boost": "50"})
    with own.redis.client() as redis:
        redis.config_resetstat()
        loose, strict = model.predict([ask(), ask(strict=True)])
        assert redis.info("commandstats")["cmdstat_mget"]["calls"] == 1
    assert int(loose["pids"][0]) != pid
    assert int(strict["pids"][0]) == pid
    own.redis.process.kill()
    (away,) = model.predict([ask(strict=True)])
    assert away["ranker_degraded"].tolist() == [NOT_STRICT]
    assert away["pids"].tolist() == loose["pids"].tolist()
    model.close()


def test_foreign_keys_are_the_uuids_that_rerank_takes(model, oracle):
    foreign = uuids_of(oracle.folder.name, ["never-made"])
    (answer,) = model.predict([Row({"scores": np.ones(1, np.float32), "master_uuids": foreign})])
    assert answer["dropped"][DROPPED.index("no_offer")] == 1
