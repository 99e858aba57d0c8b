"""A ranked list for a user, an item or a category, by the ensemble `recommend`; the next pages from the list that was
served."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from conch.clients.inference import Array, CallOptions, Inference, text_column
from conch.contracts.errors import InvalidRequest
from conch.contracts.recommendation import Explanation, Recommendation, Wish
from conch.contracts.specs import RANKED_MOST
from conch.contracts.summary import Standing
from conch.recommendation.scenarios import Scenarios
from gateway.calls import Call
from gateway.permitted import check_permitted
from gateway.recognition import asked
from gateway.recommending.items import OUTPUTS, RankedList, summary_of
from gateway.recommending.served import NOT_KEPT, Reader, ServedLists
from gateway.recommending.shelf import Shelf, Shelves

MODEL, RANKER = "recommend", "promo_ranker"

MOST_EXCLUDED = 100_000

PAGES = 4
"""Of the first one's size that a list is made and kept for, up to RANKED_MOST items."""

CANDIDATES_STATES = {
    "unknown": "it is no pid or master of the catalogue",
    "excluded": "the caller excludes it",
    "looked_at": "it is the item that is looked at",
    "bought": "the user has bought it",
    "seen": "the user has just seen it",
    "not_a_candidate": "no source of the widget names it, or its score is below the last candidate's",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    k: int
    depth: int
    """Items that are ranked."""


class Recommending:
    def __init__(self, inference: Inference, shelves: Shelves, scenarios: Scenarios) -> None:
        self._inference = inference
        self._shelves = shelves
        self._scenarios = scenarios
        self._segments = scenarios.experiment.segments_told
        self._served = ServedLists(shelves)

    async def recommend(self, wish: Wish, call: Call) -> Recommendation:
        options = call.asked_by_somebody()
        check_permitted(MODEL, options)
        variants = self._variants(wish)
        bounds = self._checked(wish, variants)
        shelf = await self._shelves.of(call.identity.tenant)
        if wish.recommendation_id:
            return await self._page(wish, variants, shelf)
        answer = await asked(self._inference, MODEL, _inputs(wish, bounds.depth), options)
        ranked, told = RankedList.of(answer), summary_of(answer)
        if len(variants) > 1:
            bounds = self._bounds(wish, [told.variant])
            ranked = ranked.best(bounds.depth)
        reader = Reader(wish.user, told.variant, told.segment if told.segment in self._segments else "")
        degraded = set(told.degraded)
        more = len(ranked) > bounds.k
        if more and not await self._served.keep(shelf, told.recommendation_id, reader, ranked, told.fallback):
            more = False
            degraded.add(NOT_KEPT)
        explanation = None
        if wish.explain:
            as_served = replace(wish, variant=told.variant)
            explanation = await self._explained(as_served, bounds, shelf, ranked, told.explanation, call)
        return Recommendation(
            told.recommendation_id,
            ranked.items(shelf, 0, min(bounds.k, len(ranked))),
            told.variant,
            told.fallback,
            tuple(sorted(degraded)),
            more,
            explanation,
            told.segment,
        )

    def _checked(self, wish: Wish, variants: Sequence[str]) -> Bounds:
        """Raises NotFound for a widget or a variant that is none, InvalidRequest for what contradicts itself."""
        bounds = self._bounds(wish, variants)
        if len(wish.exclude) > MOST_EXCLUDED:
            raise InvalidRequest(f"exclude has {len(wish.exclude)} ids, at most {MOST_EXCLUDED}").about("exclude")
        if wish.offset < 0 or (wish.offset and not wish.recommendation_id):
            raise InvalidRequest(
                f"offset is {wish.offset}, it is from 0, and above it only with a recommendation_id"
            ).about("offset")
        if wish.explain and wish.recommendation_id:
            raise InvalidRequest("explain asks for a new list, recommendation_id for one that was served").about(
                "explain"
            )
        return bounds

    def _bounds(self, wish: Wish, variants: Sequence[str]) -> Bounds:
        """Of whichever of them has the longest pages."""
        scenarios = [self._scenarios.scenario(wish.widget, variant) for variant in variants]
        k = max(checked_k(wish.k, scenario.ranking.k, RANKED_MOST) for scenario in scenarios)
        return Bounds(k, min(RANKED_MOST, PAGES * k))

    def _variants(self, wish: Wish) -> Sequence[str]:
        """Those that the answer may come as: what the user is to an experiment with segments the models alone read."""
        experiment = self._scenarios.experiment
        if wish.variant or not experiment.segments:
            return [wish.variant or experiment.variant(wish.user)]
        return experiment.variants

    async def _page(self, wish: Wish, variants: Sequence[str], shelf: Shelf) -> Recommendation:
        readers = [Reader(wish.user, variant, segment) for variant in variants for segment in self._segments]
        reader, ranked, fallback = await self._served.find(shelf, wish.recommendation_id, readers)
        bounds = self._bounds(wish, [reader.variant])
        end = min(wish.offset + bounds.k, len(ranked))
        items = ranked.items(shelf, min(wish.offset, end), end)
        return Recommendation(
            wish.recommendation_id,
            items,
            reader.variant,
            fallback,
            shelf.degraded,
            more=end < len(ranked),
            segment=reader.segment,
        )

    async def _explained(
        self, wish: Wish, bounds: Bounds, shelf: Shelf, ranked: RankedList, standing: Standing | None, call: Call
    ) -> Explanation:
        """What the candidates say of it, and what the ranker did to a candidate."""
        if standing is None or standing.master is None or standing.score is None:
            state = standing.state if standing is not None else "unknown"
            known = "excluded" if state == "looked_at" else state
            return Explanation(wish.explain, known, CANDIDATES_STATES.get(state, state))
        place = ranked.place_of(standing.master)
        if place >= 0:
            told = "served" if place < bounds.k else "cut"
            detail = f"rank {place + 1} of {len(ranked)}, {bounds.k} are on the page; rank {standing.rank} as candidate"
            return Explanation(wish.explain, told, detail, place + 1, ranked.provenance(shelf, place))
        return await self._left_out(wish, standing, ranked, bounds, call.asked_by_somebody())

    async def _left_out(
        self, wish: Wish, standing: Standing, ranked: RankedList, bounds: Bounds, options: CallOptions
    ) -> Explanation:
        """Ranked alone, a candidate that did not come tells why: no cap holds it back then."""
        inputs = {
            "masters": np.array([[standing.master]], np.uint32),
            "scores": np.array([[standing.score]], np.float32),
            **_wanted(wish, 1),
        }
        alone = await asked(self._inference, RANKER, inputs, options, OUTPUTS)
        dropped = summary_of(alone).dropped
        rank = f"rank {standing.rank} as candidate"
        for state, detail in (("out_of_stock", "every offer is out of stock"), ("no_offer", "nobody offers it")):
            if dropped.get(state):
                return Explanation(wish.explain, state, f"{detail}; {rank}")
        own, scores = RankedList.of(alone), ranked.rows["score"]
        if len(ranked) >= bounds.depth and len(own) and own.rows["score"][0] <= scores[-1]:
            lowest = f"its score is {own.rows['score'][0]:.4f}, the last one's {scores[-1]:.4f}"
            return Explanation(wish.explain, "cut", f"{lowest}; {rank}")
        return Explanation(wish.explain, "capped", f"its seller, brand or category has its share already; {rank}")


def checked_k(k: int, default: int, most: int) -> int:
    """0 is the default."""
    if not 0 <= k <= most:
        raise InvalidRequest(f"k is {k}, it must be from 1 to {most}, or 0 for {default}").about("k")
    return k or default


def _inputs(wish: Wish, depth: int) -> dict[str, Array]:
    """Every input on every call, empty ones too: requests with different sets of inputs are not batched together."""
    inputs = {
        "user": text_column(wish.user),
        "item": text_column(wish.item),
        "category": text_column(wish.category),
        "explain": text_column(wish.explain),
        **_wanted(wish, depth),
    }
    if wish.exclude:
        excluded = np.empty((1, len(wish.exclude)), dtype=object)
        excluded[0, :] = wish.exclude
        inputs["exclude"] = excluded
    return inputs


def _wanted(wish: Wish, k: int) -> dict[str, Array]:
    return {
        "widget": text_column(wish.widget),
        "variant": text_column(wish.variant),
        "k": np.array([[k]], np.int32),
        "strict": np.array([[wish.strict]]),
    }
