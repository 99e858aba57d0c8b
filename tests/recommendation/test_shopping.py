from dataclasses import replace

import numpy as np
import pytest

from conch.contracts.provenance import NO_REASON, Source
from conch.recommendation.interests import COLD, About, Profile, interests
from conch.recommendation.merging import U4
from conch.recommendation.scenarios import Mix
from conch.recommendation.shopping import Answer, Known, Related, candidates, out
from tests.recommendation.shop import Scores, Shop, columns

MIX = Mix(semantic=0.6, category=0.4)
SHOP = Shop(
    categories={1: 10, 2: 20},
    parents={11: 10},
    best={10: {5: 4.0, 6: 2.0}, 20: {7: 1.0}},
    of_everything={8: 9.0, 9: 3.0},
)
NOBODY = np.zeros(0, np.uint32)


def about(*views: int, category: int = NO_REASON, liked: tuple[int, ...] = ()) -> About:
    profile = Profile(
        np.array(views, np.uint32),
        np.array(liked, np.uint32),
        np.ones(len(liked), np.float32),
        np.ones(len(liked), int),
    )
    return About(profile, MIX, category=category)


def related(scores: Scores, **more) -> Related:
    return Related(*columns(scores), **more)


def ask(
    asked: About,
    known: Known = Known(),  # noqa: B008
    mix: Mix = MIX,
    excluded: U4 = NOBODY,
    shop: Shop = SHOP,
) -> Answer:
    """The same alone and between others."""
    one, other = replace(asked, mix=mix), About(COLD, MIX, category=10)
    (alone,) = candidates(interests([one], shop.tables, 0), known, shop, [excluded], [100])
    batch = interests([other, one, other], shop.tables, 0)
    _, between, _ = candidates(batch, known, shop, [np.array([5], np.uint32), excluded, NOBODY], [1, 100, 7])
    assert (between.pool.rows.tolist(), between.fallback) == (alone.pool.rows.tolist(), alone.fallback)
    return alone


def scores(answer: Answer) -> dict[int, float]:
    return dict(zip(answer.pool.masters.tolist(), answer.pool.scores.tolist(), strict=True))


def test_views_bring_their_relations_and_the_best_sellers_of_their_categories():
    answer = ask(about(1, 2), Known({1: related({5: 0.9, 3: 0.45}), 2: related({3: 0.5})}))
    whole = 0.6 + 0.6 * 0.8 + 0.4 + 0.4 * 0.8
    assert scores(answer) == pytest.approx(
        {5: (0.6 + 0.4) / whole, 3: (0.3 + 0.48) / whole, 7: 0.32 / whole, 6: 0.2 / whole}
    )
    assert answer.fallback == ""
    assert answer.pool.sources[0] == Source.SEMANTIC | Source.CATEGORY_VIEWED


def test_a_view_without_relations_takes_nothing_from_the_others():
    with_it, without = ask(about(1), Known({1: related({3: 1.0})})), ask(about(1, 99), Known({1: related({3: 1.0})}))
    assert scores(with_it) == scores(without)


def test_masters_of_the_same_sessions_are_a_source_of_their_own():
    answer = ask(about(1), Known(co_view={1: related({4: 2.0})}), Mix(category=0.0, co_view=0.5))
    assert scores(answer) == {4: 1.0}
    assert answer.pool.sources.tolist() == [Source.CO_VIEW]
    assert answer.pool.parts.tolist() == [[0.0, 0.0, 1.0, 0.0]]


def test_where_relations_are_old_the_item_says_so():
    known = Known({1: related({3: 1.0}, stale=True), 2: related({4: 1.0})})
    answer = ask(about(1, 2), known, Mix(category=0.0))
    assert answer.pool.sources.tolist() == [Source.SEMANTIC | Source.STALE, Source.SEMANTIC]


def test_a_named_category_alone_is_not_personal():
    assert ask(about(category=10)).fallback == "category_best_sellers"
    assert ask(about(liked=(10,))).fallback == ""


def test_an_empty_category_is_answered_by_the_next_one_above_it():
    answer = ask(about(category=11))
    assert (list(scores(answer)), answer.fallback) == ([5, 6], "category_best_sellers")


def test_nobody_about_nothing_gets_what_sells_best():
    answer = ask(About(COLD, MIX))
    assert (list(scores(answer)), answer.fallback) == ([8, 9], "best_sellers")
    assert answer.pool.sources.tolist() == [Source.POPULAR, Source.POPULAR]


def test_where_everything_of_interest_is_excluded_the_rest_is_offered():
    answer = ask(about(category=20), excluded=np.array([7], np.uint32))
    assert (list(scores(answer)), answer.fallback) == ([8, 9], "best_sellers")


def test_an_empty_catalogue_has_nothing_to_offer():
    answer = ask(about(1), shop=Shop())
    assert (len(answer.pool), answer.fallback) == (0, "best_sellers")


def test_seen_bought_looked_at_and_excluded_masters_are_out():
    profile = Profile(views=np.array([1, 2], np.uint32), bought=np.array([3], np.uint32))
    assert sorted(out(profile, 4, np.array([5], np.uint32)).tolist()) == [1, 2, 3, 4, 5]
    assert sorted(out(profile, NO_REASON, NOBODY).tolist()) == [1, 2, 3]
