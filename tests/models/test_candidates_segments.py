"""Candidates of an experiment that has segments: who is new sees what new users see, and stays so."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import NEW, RETURNING, UNKNOWN, Exposure
from conch.models.base import Arrays, Row, strings
from conch.models.candidates import NO_SEGMENTS, Candidates
from conch.models.shop import Shops
from conch.recommendation.scenarios import Scenarios
from conch.stores.exposures import Exposures
from conch.stores.redis_features import RedisFeatures
from tests.made_up_shop import ShopStack
from tests.models.test_candidates import SCENARIOS, commands, row, said
from tests.recommendation.whole_oracle import WholeOracle, Wish

FILE = """
[widgets.home]
mix = { semantic = 0.6, category = 0.4 }
[experiment]
name = "spring"
segments = ["new"]
arms.control.share = 0.0
arms.treatment = { share = 1.0, candidates = 20, mix = { semantic = 0.1, category = 0.9 } }
"""

STRANGER = "never-seen-before"


@pytest.fixture(scope="module")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Scenarios:
    file: Path = tmp_path_factory.mktemp("spring") / "scenarios.toml"
    file.write_text(FILE)
    return Scenarios.read(file)


@pytest.fixture
def serving(shop_stack: ShopStack, spring: Scenarios) -> Iterator[Callable[..., Candidates]]:
    models: list[Candidates] = []

    def make(scenarios: Scenarios = spring, redis: str = shop_stack.redis.address) -> Candidates:
        models.append(Candidates(Shops(shop_stack.catalogues, redis), scenarios))
        models[-1].predict([row(Wish())])
        return models[-1]

    yield make
    for model in models:
        model.close()


@pytest.fixture
def hot(shop_stack: ShopStack) -> Iterator[RedisFeatures]:
    with closing(RedisFeatures(shop_stack.redis.address, deadline_s=30)) as hot:
        yield hot
        hot.delete(list(hot.scan("user:segment:*")))


@pytest.fixture
def viewers(shop_stack: ShopStack, hot: RedisFeatures) -> list[str]:
    return WholeOracle(shop_stack.catalogue, hot).users


def asks(user: str, variant: str = "", **tensors: int) -> Row:
    numbers = {name: np.array([value], np.int32) for name, value in tensors.items()}
    return Row({"user": strings([user]), "variant": strings([variant]), **numbers})


def told(answer: Arrays) -> tuple[str, str]:
    summary = json.loads(answer["summary"].item())
    assert summary["variant"] == answer["assigned_variant"].item()
    return summary["variant"], summary["segment"]


def expose(hot: RedisFeatures, user: str, segment: str, experiment: str = "spring") -> None:
    Exposures(CatalogueKeys(), hot).tell({user: Exposure(segment, experiment, 5)})


def test_new_users_take_part_and_returning_ones_and_nobody_see_the_control(serving, viewers):
    answers = serving().predict([asks(STRANGER), asks(viewers[0]), asks(""), asks(STRANGER)])
    new, returning, nobody = ("treatment", NEW), ("control", RETURNING), ("control", "")
    assert [told(answer) for answer in answers] == [new, returning, nobody, new]


def test_what_the_first_exposure_found_stays_and_decides_how_the_list_is_made(serving, hot, viewers, spring):
    expose(hot, viewers[0], NEW)
    expose(hot, viewers[1], "vip")
    expose(hot, viewers[2], NEW, experiment="autumn")
    expose(hot, STRANGER, RETURNING)
    asked = [*viewers[:3], STRANGER]
    answers = serving().predict([asks(user) for user in asked])
    assert [told(answer) for answer in answers] == [
        ("treatment", NEW),
        ("control", "vip"),
        ("control", RETURNING),
        ("control", RETURNING),
    ]
    assert [len(answer["masters"]) <= 20 for answer in answers] == [True, False, False, False]
    for user, answer in zip(asked, answers, strict=True):
        variant, _ = told(answer)
        (named,) = serving().predict([asks(user, variant)])
        assert said(named) == said(answer)


def test_a_variant_that_the_caller_names_is_served_and_the_segment_told(serving, viewers):
    answers = serving().predict([asks(STRANGER, "control"), asks(viewers[0], "treatment", candidates=30)])
    assert [told(answer) for answer in answers] == [("control", NEW), ("treatment", RETURNING)]
    assert len(answers[1]["masters"]) == 30


def looked_up(redis, ask: Callable[[], object]) -> tuple[dict[str, int], int]:
    """Commands, and keys that they asked for."""
    redis.config_resetstat()
    ask()
    stats = redis.info("stats")
    return commands(redis), stats["keyspace_hits"] + stats["keyspace_misses"]


def test_a_batch_costs_one_key_a_user_more_and_no_command(shop_stack, serving, viewers):
    rows = [asks(user, candidates=10) for user in viewers[:32]]
    segmented, plain = serving(), serving(SCENARIOS)
    for model in (segmented, plain):
        model.predict(rows)
    with shop_stack.redis.client() as redis:
        assert looked_up(redis, lambda: segmented.predict(rows)) == ({"mget": 1}, 4 * len(rows) + 1)
        assert looked_up(redis, lambda: plain.predict(rows)) == ({"mget": 1}, 3 * len(rows) + 1)
    assert {told(answer)[1] for answer in plain.predict(rows)} == {""}


@pytest.mark.parametrize("redis", ["127.0.0.1:1", ""], ids=["away", "none"])
def test_while_nobody_can_look_the_control_is_served_and_said_to_be(serving, viewers, redis):
    answers = serving(redis=redis).predict([asks(viewers[0]), asks(STRANGER), asks(STRANGER, "treatment")])
    assert [told(answer) for answer in answers] == [("control", UNKNOWN)] * 2 + [("treatment", UNKNOWN)]
    assert all(NO_SEGMENTS in answer["degraded"].tolist() for answer in answers)


def test_a_redis_that_was_emptied_knows_those_who_were_exposed_since(shop_stack, serving, hot):
    keys = CatalogueKeys()
    kept = hot.documented(keys.features_kept)
    expose(hot, "exposed", NEW)
    with shop_stack.redis.client() as redis:
        blob = redis.get(f"pk:{{{keys.features_kept}}}")
        redis.delete(f"pk:{{{keys.features_kept}}}")
        try:
            exposed, stranger = serving().predict([asks("exposed"), asks(STRANGER)])
        finally:
            redis.set(f"pk:{{{keys.features_kept}}}", blob)
    assert (told(exposed), told(stranger)) == (("treatment", NEW), ("control", UNKNOWN))
    assert kept is not None
