"""Rerank: the caller's own candidates."""

import math

import pytest

from conch.contracts.errors import InvalidRequest, NotFound, PermissionDenied
from conch.contracts.recommendation import RelatedMaster
from conch.stores.ids import Kind
from gateway.recommending.reranking import Ranking
from tests.gateway.recommending.conftest import CALL, Shopping, call_of


def masters(shopping: Shopping, count: int) -> tuple[RelatedMaster, ...]:
    return tuple(RelatedMaster(shopping.uuid(Kind.MASTERS, dense), 1 / (1 + dense)) for dense in range(count))


async def test_candidates_become_their_best_offers_and_the_rest_is_accounted_for(shopping: Shopping) -> None:
    candidates = masters(shopping, 40)
    answer = await shopping.use_cases.reranking.rerank(Ranking(candidates, "category", 10), CALL)
    assert len(answer.items) == 10
    assert len(answer.items) + sum(answer.dropped.values()) == 40
    assert {item.master for item in answer.items} <= {one.master for one in candidates}
    base = {one.master: one.score for one in candidates}
    for item in answer.items:
        assert item.provenance.base == pytest.approx(base[item.master])
        assert item.score == pytest.approx(
            item.provenance.base * item.provenance.boost + item.provenance.flash_bonus, rel=1e-5
        )


async def test_what_is_no_master_is_named(shopping: Shopping) -> None:
    known = masters(shopping, 2)
    stranger = RelatedMaster("no-such", 5.0)
    answer = await shopping.use_cases.reranking.rerank(Ranking((known[0], stranger, known[1])), CALL)
    assert answer.unknown == ("no-such",)
    assert {item.master for item in answer.items} <= {one.master for one in known}
    alone = await shopping.use_cases.reranking.rerank(Ranking((stranger,)), CALL)
    assert (alone.items, alone.unknown) == ((), ("no-such",))


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        pytest.param((), "0 candidates", id="none"),
        pytest.param((RelatedMaster("a", math.nan),), r"candidates\[0\].score is nan", id="NaN"),
        pytest.param((RelatedMaster("a", math.inf),), "is inf", id="infinite"),
        pytest.param((RelatedMaster("a", 1), RelatedMaster("a", 2)), "are the same master", id="twice"),
        pytest.param(tuple(RelatedMaster(str(n), 1) for n in range(1_001)), "1001 candidates", id="too many"),
        pytest.param((RelatedMaster("", 1),), "0 characters", id="without a name"),
    ],
)
async def test_bad_candidates_are_refused(
    shopping: Shopping, candidates: tuple[RelatedMaster, ...], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await shopping.use_cases.reranking.rerank(Ranking(candidates), CALL)


async def test_unknown_widgets_and_tenants_that_may_not_are_refused(shopping: Shopping) -> None:
    with pytest.raises(NotFound, match="sponsored"):
        await shopping.use_cases.reranking.rerank(Ranking(masters(shopping, 1), "attic"), CALL)
    with pytest.raises(PermissionDenied):
        await shopping.use_cases.reranking.rerank(Ranking(masters(shopping, 1)), call_of(models=frozenset({"promo"})))
