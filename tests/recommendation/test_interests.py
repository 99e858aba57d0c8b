from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from conch.contracts.provenance import NO_REASON, Source
from conch.recommendation.interests import COLD, HOUR_MS, About, Category, Profile, interests
from conch.recommendation.scenarios import Mix
from tests.recommendation.shop import Shop

NOW = 1_800_000_000_000
MIX = Mix(category_viewed=1.0, category_co_viewed=0.5, category_liked=0.7)
SHOP = Shop(categories={1: 10, 2: 20, 3: 10}, together={10: {20: 1.0, 30: 0.5}, 20: {40: 1.0}}, weekly={10: {50: 1.0}})


def profile(*views: int, liked: dict[int, float] | None = None, hours_ago: float = 0) -> Profile:
    liked = liked or {}
    return Profile(
        np.array(views, np.uint32),
        np.array(list(liked), np.uint32),
        np.array(list(liked.values()), np.float32),
        np.full(len(liked), NOW - hours_ago * HOUR_MS, np.int64),
    )


SOMEBODY = profile(3, 2, 1, 3, liked={20: 2.0, 70: 5.0})


@dataclass(frozen=True)
class Found:
    masters: Sequence[tuple[int, float]]
    categories: Sequence[Category]


def of(profile: Profile, item: int = NO_REASON, category: int = NO_REASON, mix: Mix = MIX) -> Found:
    """The same alone and between others."""
    one, other = About(profile, mix, item, category), About(SOMEBODY, Mix(views=3, live_co_view=False), 2, 10)
    alone, together = (interests(batch, SHOP.tables, NOW) for batch in ([one], [other, one, other]))
    found = Found(alone.masters_of(0), alone.categories_of(0))
    assert Found(together.masters_of(1), together.categories_of(1)) == found
    return found


def weights(found: Found) -> dict[int, float]:
    return {category.number: category.weight for category in found.categories}


def test_nothing_known_is_about_nothing():
    assert of(COLD) == Found([], [])


def test_distinct_views_weigh_less_the_older_they_are():
    assert of(profile(3, 1, 3, 2, NO_REASON)).masters == [(3, 1.0), (1, 0.8), (2, pytest.approx(0.64))]


def test_the_item_that_is_looked_at_comes_first_and_on_top_of_the_views():
    mix = Mix(views=2)
    assert [master for master, _ in of(profile(1, 2, 3), item=3, mix=mix).masters] == [3, 1, 2]
    assert [master for master, _ in of(profile(1, 2, 3), mix=mix).masters] == [1, 2]


def test_categories_have_the_highest_weight_of_the_ways_they_came_in():
    found = of(profile(1, 2))
    assert weights(found) == pytest.approx({10: 1.0, 20: 0.8, 40: 0.4, 30: 0.25})
    bits = {category.number: category.bits for category in found.categories}
    assert bits[20] == Source.CATEGORY_VIEWED | Source.CATEGORY_CO_VIEWED
    assert bits[30] == Source.CATEGORY_CO_VIEWED


def test_a_named_category_weighs_as_the_last_view_does():
    assert of(COLD, category=40).categories == [Category(40, 1.0, Source.CATEGORY_VIEWED)]


def test_liked_categories_are_scaled_by_the_one_that_is_liked_most():
    assert weights(of(profile(liked={60: 4.0, 70: 1.0, 80: -1.0}))) == pytest.approx({60: 0.7, 70: 0.175})


def test_interest_halves_where_the_scenario_says_so():
    fresh, old = profile(liked={60: 1.0}), profile(liked={60: 1.0, 70: 1.0}, hours_ago=24)
    assert weights(of(fresh, mix=Mix(half_life_h=24))) == pytest.approx({60: 0.7})
    mixed = Profile(
        np.zeros(0, np.uint32),
        np.array([60, 70], np.uint32),
        np.ones(2, np.float32),
        np.array([NOW, NOW - 24 * HOUR_MS], np.int64),
    )
    assert weights(of(mixed, mix=Mix(half_life_h=24))) == pytest.approx({60: 0.7, 70: 0.35})
    assert weights(of(old)) == pytest.approx({60: 0.7, 70: 0.7})


def test_without_live_co_view_the_weekly_batch_says_what_is_seen_together():
    assert set(weights(of(profile(1), mix=Mix(live_co_view=False)))) == {10, 50}


def test_the_heaviest_categories_are_looked_at_and_ties_go_by_id():
    liked = dict.fromkeys([9, 7, 8, 5], 1.0)
    found = of(profile(liked=liked), mix=Mix(categories=3))
    assert [category.number for category in found.categories] == [5, 7, 8]
