"""Candidates of a made-up shop, out of a real Redis: held against dicts, counted, and while stores fail."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.identity import Identity
from conch.contracts.provenance import NO_REASON, Source
from conch.contracts.summary import Standing, Summary
from conch.models.base import Row, strings
from conch.models.candidates import Candidates
from conch.models.shop import Shops
from conch.recommendation.merging import Pool
from conch.recommendation.scenarios import Scenarios
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from tests.recommendation.whole_oracle import WholeOracle, Wish

SCENARIOS = Scenarios.read()
SLOWLY = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def model(shop_stack) -> Iterator[Candidates]:
    model = Candidates(Shops.of_environment(shop_stack.environment), SCENARIOS)
    # As when it is loaded: kernels that are read from their cache between two waves take the second one's time.
    model.predict([row(Wish())])
    yield model
    model.close()


@pytest.fixture(scope="module")
def oracle(shop_stack) -> Iterator[WholeOracle]:
    hot = RedisFeatures(shop_stack.redis.address, deadline_s=30)
    yield WholeOracle(shop_stack.catalogue, hot)
    hot.close()


def row(wish: Wish, widget: str = "home", variant: str = "control", tenant: str = "default") -> Row:
    tensors = {
        "user": strings([wish.user]),
        "item": strings([wish.item]),
        "category": strings([wish.category]),
        "widget": strings([widget]),
        "variant": strings([variant]),
        "exclude": strings(list(wish.exclude)),
        "candidates": np.array([wish.candidates], np.int32),
    }
    return Row(tensors, Identity(tenant=tenant))


def said(answer):
    """As the oracle says it."""
    columns = (answer[name].tolist() for name in ("masters", "scores", "sources", "parts", "reasons"))
    return [
        (master, score, bits, tuple(parts), reason) for master, score, bits, parts, reason in zip(*columns, strict=True)
    ]


def wishes(oracle: WholeOracle) -> st.SearchStrategy[Wish]:
    masters = [oracle.name(Kind.MASTERS, number) for number in range(0, oracle.snapshot.masters, 7)]
    pids = [oracle.name(Kind.PIDS, number) for number in range(0, oracle.snapshot.pids, 11)]
    categories = [oracle.ids.text(Kind.CATEGORIES, number) for number in range(oracle.snapshot.categories)]
    nothing = ["", "never heard of"]
    return st.builds(
        Wish,
        user=st.sampled_from([*oracle.users, *(name.replace(" ", "-") for name in nothing)]),
        item=st.sampled_from([*nothing * 20, *masters, *pids]),
        category=st.sampled_from([*nothing * 10, *categories]),
        exclude=st.lists(st.sampled_from([*masters, *pids, *nothing[1:]]), max_size=5, unique=True),
        candidates=st.sampled_from([1, 10, 1_000]),
    )


@SLOWLY
@given(st.data())
def test_whole_batches_are_answered_as_dicts_and_sorted_sets_would(model, oracle, data):
    widgets = st.sampled_from(list(SCENARIOS.widgets))
    variants = st.sampled_from(list(SCENARIOS.experiment.variants))
    asked = data.draw(st.lists(st.tuples(wishes(oracle), widgets, variants), min_size=1, max_size=8))
    answers = model.predict([row(*one) for one in asked])
    for (wish, widget, variant), answer in zip(asked, answers, strict=True):
        expected = oracle.candidates(wish, SCENARIOS.scenario(widget, variant).mix)
        assert said(answer) == list(expected.masters), (wish, widget, variant)
        assert answer["fallback"].tolist() == [expected.fallback]
        assert answer["degraded"].tolist() == []
        assert answer["assigned_variant"].tolist() == [variant]


def test_shoppers_of_the_made_up_shop_are_given_what_is_personal(model, oracle):
    answers = model.predict([row(Wish(user=user)) for user in oracle.users[:20]])
    assert {answer["fallback"].item() for answer in answers} == {""}
    assert min(len(answer["masters"]) for answer in answers) >= 50
    semantic = sum(int((answer["sources"] & Source.SEMANTIC != 0).sum()) for answer in answers)
    liked = sum(int((answer["sources"] & Source.CATEGORY_LIKED != 0).sum()) for answer in answers)
    assert semantic > 1_000
    assert liked > 1_000


def test_a_batch_costs_two_commands_however_many_shoppers_it_has(shop_stack, oracle):
    model = Candidates(Shops.of_environment(shop_stack.environment), SCENARIOS)
    model.predict([row(Wish())])
    with shop_stack.redis.client() as redis:
        redis.config_resetstat()
        model.predict([row(Wish(user=user), variant="treatment") for user in oracle.users[:32]])
        first = commands(redis)
        redis.config_resetstat()
        model.predict([row(Wish(user=user), variant="treatment") for user in oracle.users[:32]])
        second = commands(redis)
    model.close()
    assert first == {"mget": 2}
    # What masters are related to is remembered, what a user did is not.
    assert second == {"mget": 1}


def commands(redis) -> dict[str, int]:
    """By name, without those of the connection and of this count."""
    own = {"info", "config|resetstat", "hello", "client|setinfo", "select", "auth"}
    stats = {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in redis.info("commandstats").items()}
    return {name: calls for name, calls in stats.items() if name not in own}


def test_an_answer_in_a_batch_is_what_it_is_alone(model, oracle):
    rows = [row(Wish(user=user, candidates=50)) for user in oracle.users[20:52]]
    together = model.predict(rows)
    for one, answer in zip(rows, together, strict=True):
        assert said(model.predict([one])[0]) == said(answer)
    assert len({answer["recommendation_id"].item() for answer in together}) == len(rows)
    seen = [set(oracle.views(user)) for user in oracle.users[20:52]]
    for views, answer in zip(seen, together, strict=True):
        viewed = {oracle.master_of(oracle.number(Kind.PIDS, pid)) for pid in views}
        assert viewed.isdisjoint(answer["masters"].tolist())


NOBODY = {
    "nobody": (Wish(), "best_sellers"),
    "a user without a past": (Wish(user="nobody-knows"), "best_sellers"),
    "an unknown item": (Wish(item="never-made"), "best_sellers"),
    "an unknown category": (Wish(category="no-such-shelf"), "best_sellers"),
}


@pytest.mark.parametrize(("wish", "fallback"), NOBODY.values(), ids=NOBODY)
def test_of_what_is_unknown_the_best_sellers_of_all_answer(model, wish, fallback):
    (answer,) = model.predict([row(wish)])
    assert answer["fallback"].tolist() == [fallback]
    assert set(answer["sources"].tolist()) == {int(Source.POPULAR)}
    assert answer["reasons"].tolist() == [NO_REASON] * len(answer["masters"])


def test_a_category_answers_with_its_best_sellers(model, oracle):
    leaf = oracle.ids.text(Kind.CATEGORIES, int(oracle.snapshot.columns.master_category[0]))
    (answer,) = model.predict([row(Wish(category=leaf))])
    assert answer["fallback"].tolist() == ["category_best_sellers"]
    assert int(answer["sources"][0]) & Source.CATEGORY_VIEWED


def test_a_cold_item_is_beside_what_sells_in_its_category(model, oracle):
    related = {key.removeprefix("master:sem:") for key in oracle.hot.scan("master:sem:*")}
    cold = [name for number in range(oracle.snapshot.masters)
            if (name := oracle.name(Kind.MASTERS, number)) not in related]  # fmt: skip
    assert cold
    for name in cold[:3]:
        (answer,) = model.predict([row(Wish(item=name), widget="product")])
        assert answer["fallback"].tolist() == ["category_best_sellers"]
        assert len(answer["masters"]) > 0


ODD = ["2f6c", "2f6c0000-0000-0000-0000-00000000000g", "{2f6c0000-0000-0000-0000-000000000000}", "\x00", " ", "😀" * 99]


@pytest.mark.parametrize("key", ODD)
def test_ids_that_are_no_uuids_are_keys_that_nobody_has(model, key):
    (answer,) = model.predict([row(Wish(item=key, category=key, exclude=[key]))])
    assert (answer["fallback"].item(), len(answer["masters"]) > 0) == ("best_sellers", True)


def test_everything_that_answers_may_be_excluded(model, oracle):
    everything = [oracle.name(Kind.MASTERS, number) for number in range(oracle.snapshot.masters)]
    (answer,) = model.predict([row(Wish(user=oracle.users[0], exclude=everything))])
    assert len(answer["masters"]) == 0
    assert answer["fallback"].tolist() == ["best_sellers"]


REFUSED = {
    "no candidates": (row(Wish(candidates=0)), InvalidRequest),
    "fewer than none": (row(Wish(candidates=-1)), InvalidRequest),
    "a million": (row(Wish(candidates=10**6)), InvalidRequest),
    "an item that is too long to be a key": (row(Wish(item="a" * 201)), InvalidRequest),
    "an exclusion without a name": (row(Wish(exclude=[""])), InvalidRequest),
    "a user with a brace": (row(Wish(user="{a}")), InvalidRequest),
    "too many exclusions": (row(Wish(exclude=["a"] * 100_001)), InvalidRequest),
    "no such widget": (row(Wish(), widget="cellar"), NotFound),
    "no such variant": (row(Wish(), variant="third"), NotFound),
}


def test_what_is_refused_leaves_its_neighbours_answered(model, oracle):
    good = row(Wish(user=oracle.users[0]))
    alone = said(model.predict([good])[0])
    rows = [good, *(bad for bad, _ in REFUSED.values()), good]
    first, *refused, last = model.predict(rows)
    assert [type(error) for error in refused] == [kind for _, kind in REFUSED.values()]
    assert said(first) == said(last) == alone


def test_pool_and_summary_say_what_the_columns_and_the_words_say(model, oracle):
    asked = Row(row(Wish(user=oracle.users[0]), "product", "treatment").tensors | {"explain": strings(["never-made"])})
    (answer,) = model.predict([asked])
    pool = Pool(answer["pool"])
    for name in ("masters", "scores", "sources", "parts", "reasons"):
        assert getattr(pool, name).tolist() == answer[name].tolist()
    assert Summary.decode(answer["summary"].item()) == Summary(
        recommendation_id=answer["recommendation_id"].item(),
        widget="product",
        variant="treatment",
        fallback=answer["fallback"].item(),
        degraded=tuple(answer["degraded"].tolist()),
        explanation=Standing("unknown"),
    )
    (again,) = model.predict([Row(asked.tensors, wanted=frozenset({"pool", "summary"}))])
    assert sorted(again) == ["pool", "summary"]


def test_it_is_explained_where_a_master_stands_and_why_another_does_not(model, oracle):
    user = oracle.users[0]
    (answer,) = model.predict([row(Wish(user=user))])
    third = oracle.name(Kind.MASTERS, int(answer["masters"][2]))
    viewed = oracle.views(user)[0]
    states = {}
    for key in (third, viewed, "never-made"):
        asked = row(Wish(user=user))
        told = Row({**asked.tensors, "explain": strings([key])})
        states[key] = json.loads(model.predict([told])[0]["explanation"].item())
    assert (states[third]["state"], states[third]["rank"]) == ("candidate", 3)
    assert states[viewed]["state"] in {"seen", "bought"}
    assert states["never-made"] == {"state": "unknown"}
