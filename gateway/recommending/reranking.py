"""The caller's own candidates, ranked by promos, stock and bids: the model `promo_ranker`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conch.clients.inference import Inference, text_column
from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import uuids_of
from conch.contracts.provenance import NO_REASON
from conch.contracts.recommendation import RelatedMaster, Reranked
from conch.contracts.specs import RANKED_MOST
from conch.recommendation.scenarios import Scenarios
from conch.stores.ids import Kind
from gateway.calls import Call
from gateway.permitted import check_permitted
from gateway.recognition import asked
from gateway.recommending.items import OUTPUTS, RankedList, summary_of
from gateway.recommending.recommending import MODEL, RANKER, checked_k
from gateway.recommending.shelf import Shelves


@dataclass(frozen=True, slots=True)
class Ranking:
    candidates: tuple[RelatedMaster, ...]
    widget: str = ""
    k: int = 0
    variant: str = ""
    strict: bool = False


class Reranking:
    def __init__(self, inference: Inference, shelves: Shelves, scenarios: Scenarios) -> None:
        self._inference = inference
        self._shelves = shelves
        self._scenarios = scenarios

    async def rerank(self, wish: Ranking, call: Call) -> Reranked:
        options = call.asked_by_somebody()
        check_permitted(MODEL, options)
        scenario = self._scenarios.scenario(wish.widget, wish.variant)
        k = checked_k(wish.k, scenario.ranking.k, RANKED_MOST)
        _check(wish.candidates)
        shelf = await self._shelves.of(call.identity.tenant)
        uuids = uuids_of(shelf.name, [candidate.master for candidate in wish.candidates])
        known = shelf.ids.look_up(Kind.MASTERS, uuids) != NO_REASON
        unknown = tuple(one.master for one, is_known in zip(wish.candidates, known, strict=True) if not is_known)
        if not known.any():
            return Reranked((), unknown, degraded=shelf.degraded)
        scores = np.array([candidate.score for candidate in wish.candidates], np.float32)
        inputs = {
            "master_uuids": uuids[known][np.newaxis],
            "scores": scores[known][np.newaxis],
            "widget": text_column(wish.widget),
            "variant": text_column(wish.variant),
            "k": np.array([[k]], np.int32),
            "strict": np.array([[wish.strict]]),
        }
        answer = await asked(self._inference, RANKER, inputs, options, OUTPUTS)
        ranked, summary = RankedList.of(answer), summary_of(answer)
        return Reranked(ranked.items(shelf, 0, len(ranked)), unknown, summary.dropped, summary.degraded)


def _check(candidates: Sequence[RelatedMaster]) -> None:
    if not 1 <= len(candidates) <= RANKED_MOST:
        raise InvalidRequest(f"there are {len(candidates)} candidates, from 1 to {RANKED_MOST} are taken").about(
            "candidates"
        )
    seen: dict[str, int] = {}
    for index, candidate in enumerate(candidates):
        if not math.isfinite(candidate.score):
            raise InvalidRequest(f"candidates[{index}].score is {candidate.score}, a number is needed").about(
                "candidates"
            )
        if (first := seen.setdefault(candidate.master, index)) != index:
            raise InvalidRequest(f"candidates[{first}] and candidates[{index}] are the same master").about("candidates")
