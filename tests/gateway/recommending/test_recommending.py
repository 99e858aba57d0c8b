"""Recommend over the real models: pages, explanations, reasons, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions, text_column
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import InvalidRequest, NotFound, PermissionDenied
from conch.contracts.items import items_in
from conch.contracts.recommendation import PRICE_DIGITS, Recommendation, Wish
from conch.contracts.summary import Summary
from conch.recommendation.scenarios import Scenarios
from conch.stores.features import List, SortedSet
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from gateway.recommending.recommending import MOST_EXCLUDED, Recommending
from gateway.recommending.served import NOT_KEPT
from gateway.recommending.shelf import NOT_IMPORTED
from tests.gateway.recommending.conftest import CALL, Make, Shopping, call_of
from tests.recommend_twin import SPECS


async def recommended(shopping: Shopping, **wish: object) -> Recommendation:
    return await shopping.use_cases.recommending.recommend(Wish(**wish), CALL)  # type: ignore[arg-type]


async def test_a_viewer_is_shown_items_with_their_reasons(shopping: Shopping) -> None:
    answer = await recommended(shopping, user=shopping.viewers[0], k=10)
    assert len(answer.items) == 10
    assert (answer.fallback, answer.degraded, answer.more) == ("", (), True)
    assert [item.score for item in answer.items] == sorted((item.score for item in answer.items), reverse=True)
    for item in answer.items:
        reason = item.provenance
        assert reason.sources
        assert sum(reason.parts.values()) == pytest.approx(reason.base, abs=1e-5)
        assert item.score == pytest.approx(reason.base * reason.boost + reason.flash_bonus, rel=1e-5)
        assert item.price > 0
        # As a price is written, not as a float32 of it is.
        assert item.price == round(item.price, PRICE_DIGITS)
        assert not (reason.because_master and reason.because_category)


async def test_what_gave_most_is_named_as_the_catalogue_names_it(shopping: Shopping) -> None:
    item = shopping.uuid(Kind.MASTERS, int(shopping.snapshot.columns.relation_masters[0]))
    answer = await recommended(shopping, item=item, k=50)
    assert {one.provenance.because_master for one in answer.items} <= {item, ""}
    assert item in {one.provenance.because_master for one in answer.items}
    category = shopping.category(int(shopping.snapshot.columns.master_category[0]))
    answer = await recommended(shopping, category=category, k=3)
    assert category in {one.provenance.because_category for one in answer.items}


async def test_the_same_list_comes_from_the_bare_ensemble(shopping: Shopping) -> None:
    user = shopping.viewers[1]
    answer = await recommended(shopping, user=user, k=20)
    bare = await shopping.twin.inference.infer(
        "recommend",
        {"user": np.array([[user]], object), "k": np.array([[20]], np.int32)},
    )
    items = items_in(bare["items"][0])
    assert [shopping.uuid(Kind.PIDS, pid) for pid in items["pid"]] == [item.pid for item in answer.items]
    assert items["score"].tolist() == [item.score for item in answer.items]


async def test_the_next_pages_go_on_where_the_first_ended_and_tell_as_much(shopping: Shopping) -> None:
    user = shopping.viewers[0]
    whole = await recommended(shopping, user=user, k=40)
    first = await recommended(shopping, user=user, k=10)
    pages = [first]
    while pages[-1].more:
        offset = sum(len(page.items) for page in pages)
        pages.append(
            await recommended(shopping, user=user, k=10, recommendation_id=first.recommendation_id, offset=offset)
        )
    assert len(pages) == 4
    assert tuple(item for page in pages for item in page.items) == whole.items
    assert {(page.recommendation_id, page.variant, page.fallback) for page in pages} == {
        (first.recommendation_id, first.variant, first.fallback)
    }


async def test_a_page_beyond_the_end_is_empty(shopping: Shopping) -> None:
    first = await recommended(shopping, k=10)
    page = await recommended(shopping, recommendation_id=first.recommendation_id, offset=900)
    assert (page.items, page.more, page.fallback) == ((), False, first.fallback)


async def test_a_list_is_found_by_whom_it_was_served_to_alone(shopping: Shopping) -> None:
    user, other = shopping.viewers[:2]
    first = await recommended(shopping, user=user, k=5)
    again = Wish(user=user, recommendation_id=first.recommendation_id, offset=5)
    for stranger in (replace(again, user=other), replace(again, user=""), replace(again, user=user + " ")):
        with pytest.raises(NotFound, match="was served to this user"):
            await shopping.use_cases.recommending.recommend(stranger, CALL)
    with pytest.raises(NotFound, match="was served to this user"):
        await shopping.use_cases.recommending.recommend(again, call_of("another"))
    assert (await shopping.use_cases.recommending.recommend(again, CALL)).items


@pytest.mark.parametrize("recommendation_id", ["0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa", "x", "a b{c}", "*"])
async def test_a_list_that_was_never_served_is_not_found(shopping: Shopping, recommendation_id: str) -> None:
    with pytest.raises(NotFound, match="was served to this user"):
        await recommended(shopping, recommendation_id=recommendation_id)


async def test_a_thousand_items_are_one_page(shopping: Shopping) -> None:
    answer = await recommended(shopping, category=shopping.category(0), k=1_000)
    assert not answer.more
    assert len({item.master for item in answer.items}) == len(answer.items)


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        pytest.param({"widget": "attic"}, NotFound, "home, product, category, sponsored", id="unknown widget"),
        pytest.param({"variant": "blue"}, NotFound, "control, treatment", id="unknown variant"),
        pytest.param({"k": -1}, InvalidRequest, "from 1 to 1000", id="negative k"),
        pytest.param({"k": 1_000_000}, InvalidRequest, "k is 1000000", id="huge k"),
        pytest.param({"offset": 5}, InvalidRequest, "recommendation_id", id="an offset of nothing"),
        pytest.param({"offset": -1}, InvalidRequest, "offset is -1", id="negative offset"),
        pytest.param({"user": "u" * 201}, InvalidRequest, "201 characters", id="long user"),
        pytest.param({"exclude": ("x",) * (MOST_EXCLUDED + 1)}, InvalidRequest, "100001 ids", id="too many excluded"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_what_can(
    shopping: Shopping, wish: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await recommended(shopping, **wish)


async def test_a_hundred_thousand_exclusions_are_held_to(shopping: Shopping) -> None:
    user = shopping.viewers[0]
    first = await recommended(shopping, user=user, k=10)
    out = [item.master for item in first.items] + [f"unknown-{number}" for number in range(MOST_EXCLUDED - 10)]
    without = await recommended(shopping, user=user, k=10, exclude=tuple(out))
    assert not {item.master for item in without.items} & set(out)


@pytest.mark.parametrize("wish", [{"user": "nobody"}, {"item": "no-such"}, {"category": "none"}, {}])
async def test_what_nobody_knows_is_answered_with_what_sells_and_says_so(
    shopping: Shopping, wish: dict[str, object]
) -> None:
    answer = await recommended(shopping, **wish, k=5)
    assert len(answer.items) == 5
    assert answer.fallback == "best_sellers"


async def test_a_tenant_without_a_catalogue_is_told_so(shopping: Shopping) -> None:
    answer = await shopping.use_cases.recommending.recommend(Wish(user=shopping.viewers[0]), call_of("another"))
    assert answer.items == ()
    assert answer.degraded == (NOT_IMPORTED,)


async def test_a_tenant_that_may_not_call_recommend_is_refused(shopping: Shopping) -> None:
    with pytest.raises(PermissionDenied, match="may not call model recommend"):
        await shopping.use_cases.recommending.recommend(Wish(), call_of(models=frozenset({"intent"})))


async def test_without_redis_there_are_no_next_pages(shopping_at: Make) -> None:
    answer = await recommended(shopping_at(redis="127.0.0.1:1"), k=5)
    assert len(answer.items) == 5
    assert not answer.more
    assert NOT_KEPT in answer.degraded


async def test_an_item_that_is_served_or_cut_is_explained_with_its_rank(shopping: Shopping) -> None:
    user = shopping.viewers[0]
    whole = await recommended(shopping, user=user, k=40)
    for rank, state in ((3, "served"), (25, "cut")):
        item = whole.items[rank - 1]
        explained = (await recommended(shopping, user=user, k=10, explain=item.pid)).explanation
        assert explained is not None
        assert (explained.state, explained.rank, explained.provenance) == (state, rank, item.provenance)


async def test_an_item_that_is_absent_is_explained_by_why(shopping: Shopping) -> None:
    user = shopping.viewers[0]
    item = (await recommended(shopping, user=user, k=1)).items[0]

    async def state(**wish: object) -> str:
        explained = (await recommended(shopping, user=user, explain=item.master, **wish)).explanation
        assert explained is not None
        assert explained.rank == 0
        assert explained.detail
        return explained.state

    assert await state(exclude=(item.pid,)) == "excluded"
    assert await state(item=item.master) == "excluded"
    unknown = (await recommended(shopping, user=user, explain="no-such-thing")).explanation
    assert unknown is not None
    assert unknown.state == "unknown"


async def test_what_was_seen_or_bought_and_what_no_source_names_is_explained_so(shopping: Shopping) -> None:
    hot = RedisFeatures(shopping.stack.redis.address, deadline_s=30)
    buyers = {key.removeprefix("user:bought:") for key in hot.scan("user:bought:*")}
    user = next(user for user in shopping.viewers if user in buyers)
    bought, seen = hot.documented(f"user:bought:{user}"), hot.documented(f"user:views:{user}")
    hot.close()
    assert isinstance(bought, SortedSet)
    assert isinstance(seen, List)
    shelf = await shopping.shelves.of("default")
    owned = {shelf.master_of(pid) for pid in bought.scores}
    only_seen = next(pid for pid in seen.items if shelf.master_of(pid) not in owned)

    async def state(item: str) -> str:
        explained = (await recommended(shopping, user=user, k=1, explain=item)).explanation
        assert explained is not None
        return explained.state

    assert await state(next(iter(bought.scores))) == "bought"
    assert await state(only_seen) == "seen"
    masters = [shopping.uuid(Kind.MASTERS, number) for number in range(0, shopping.snapshot.masters, 50)]
    assert "not_a_candidate" in {await state(master) for master in masters}


def best_of_their_category(shopping: Shopping) -> list[int]:
    """Masters of the largest category, the best sellers first."""
    columns = shopping.snapshot.columns
    category = int(np.bincount(columns.master_category).argmax())
    here = slice(int(columns.best_starts[category]), int(columns.best_starts[category + 1]))
    return list(dict.fromkeys(columns.pid_master[columns.best_pids[here]].tolist()))


async def test_what_a_cap_holds_back_is_explained_so(shopping: Shopping) -> None:
    masters = best_of_their_category(shopping)
    category = shopping.category(shopping.catalogue.category_of(masters[0]))
    asked: dict[str, object] = {"category": category, "widget": "home", "k": 1_000}
    served = {item.master for item in (await recommended(shopping, **asked)).items}
    names = [shopping.uuid(Kind.MASTERS, master) for master in masters]
    held_back = [name for name in names if name not in served]
    assert held_back, "the caps of this widget hold nothing back"
    explained = (await recommended(shopping, **asked, explain=held_back[-1])).explanation
    assert explained is not None
    assert (explained.state, explained.rank) == ("capped", 0)


@pytest.mark.parametrize("state", ["out_of_stock", "no_offer"])
async def test_a_candidate_without_an_offer_that_could_go_out_is_explained_so(shopping: Shopping, state: str) -> None:
    """The ranker is told of here, not asked: the shop is everybody's."""
    real = shopping.twin

    def nothing(inputs: Arrays, call: CallOptions) -> Arrays:
        answer = real.rank(inputs, call)
        return {"items": answer["items"][:, :0], "summary": text_column(Summary(dropped={state: 1}).encode())}

    def without(inputs: Arrays, call: CallOptions) -> Arrays:
        answer = real.recommend(inputs, call)
        return {**answer, "items": answer["items"][:, 1:]}

    inference = InProcessInference({"recommend": without, "promo_ranker": nothing}, SPECS)
    recommending = Recommending(inference, shopping.shelves, Scenarios.read())
    user = shopping.viewers[0]
    first = (await recommended(shopping, user=user, k=1)).items[0]
    explained = (await recommending.recommend(Wish(user=user, explain=first.master), CALL)).explanation
    assert explained is not None
    assert (explained.state, explained.rank, explained.provenance) == (state, 0, None)
