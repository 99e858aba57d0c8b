"""conch.recommend.v1.Recommend: convert, call, convert."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from conch.contracts.pb.recommend.v1 import recommend_pb2 as pb
from conch.contracts.pb.recommend.v1.recommend_pb2_grpc import RecommendServicer
from conch.contracts.recommendation import Explanation, Item, Provenance, RelatedMaster, Wish
from gateway.calls import Call
from gateway.reception import Reception
from gateway.recommending.recommendations import Recommendations
from gateway.recommending.reranking import Ranking
from gateway.rpc.answering import Context, answered


class Recommend(RecommendServicer):
    def __init__(self, reception: Reception, use_cases: Recommendations) -> None:
        self._reception = reception
        self._use_cases = use_cases

    async def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendReply | None:
        return await answered(self._reception, "Recommend", context, partial(self._recommend, request))

    async def Related(self, request: pb.RelatedRequest, context: Context) -> pb.RelatedReply | None:
        return await answered(self._reception, "Related", context, partial(self._related, request))

    async def BestSellers(self, request: pb.BestSellersRequest, context: Context) -> pb.BestSellersReply | None:
        return await answered(self._reception, "BestSellers", context, partial(self._best_sellers, request))

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankReply | None:
        return await answered(self._reception, "Rerank", context, partial(self._rerank, request))

    async def Track(self, request: pb.TrackRequest, context: Context) -> pb.TrackReply | None:
        return await answered(self._reception, "Track", context, partial(self._track, request))

    async def _recommend(self, request: pb.RecommendRequest, call: Call) -> pb.RecommendReply:
        wish = Wish(
            user=request.user,
            item=request.item,
            category=request.category,
            widget=request.widget,
            k=request.k,
            exclude=tuple(request.exclude),
            variant=request.variant,
            strict=request.strict,
            recommendation_id=request.recommendation_id,
            offset=request.offset,
            explain=request.explain,
        )
        answer = await self._use_cases.recommending.recommend(wish, call)
        return pb.RecommendReply(
            recommendation_id=answer.recommendation_id,
            items=map(_item, answer.items),
            variant=answer.variant,
            segment=answer.segment,
            fallback=answer.fallback,
            degraded=answer.degraded,
            more=answer.more,
            explanation=None if answer.explanation is None else _explanation(answer.explanation),
        )

    async def _related(self, request: pb.RelatedRequest, call: Call) -> pb.RelatedReply:
        answer = await self._use_cases.relating.related(request.item, request.k, call)
        related = [pb.Related(master=one.master, score=one.score) for one in answer.masters]
        return pb.RelatedReply(related=related, source=answer.source, degraded=answer.degraded)

    async def _best_sellers(self, request: pb.BestSellersRequest, call: Call) -> pb.BestSellersReply:
        answer = await self._use_cases.selling_best.best_sellers(request.category, request.k, call)
        items = [pb.BestSeller(pid=one.pid, master=one.master, score=one.score) for one in answer.items]
        return pb.BestSellersReply(items=items, degraded=answer.degraded)

    async def _rerank(self, request: pb.RerankRequest, call: Call) -> pb.RerankReply:
        candidates = tuple(RelatedMaster(one.master, one.score) for one in request.candidates)
        wish = Ranking(candidates, request.widget, request.k, request.variant, request.strict)
        answer = await self._use_cases.reranking.rerank(wish, call)
        return pb.RerankReply(
            items=map(_item, answer.items), unknown=answer.unknown, dropped=answer.dropped, degraded=answer.degraded
        )

    async def _track(self, request: pb.TrackRequest, call: Call) -> pb.TrackReply:
        tracked = await self._use_cases.tracking.track([_fields(event) for event in request.events], call)
        refused = [pb.Refused(index=one.index, reason=one.reason) for one in tracked.refused]
        return pb.TrackReply(accepted=tracked.accepted, refused=refused)


# Fields and no messages: a message that is made on its own is copied into the one that holds it.


def _item(item: Item) -> Mapping[str, object]:
    return {
        "pid": item.pid,
        "master": item.master,
        "score": item.score,
        "price": item.price,
        "provenance": _provenance(item.provenance),
    }


def _provenance(provenance: Provenance) -> Mapping[str, object]:
    return {
        "sources": provenance.sources,
        "base": provenance.base,
        "parts": provenance.parts,
        "because_master": provenance.because_master,
        "because_category": provenance.because_category,
        "changes": provenance.changes,
        "boost": provenance.boost,
        "flash_bonus": provenance.flash_bonus,
        "bid": provenance.bid,
    }


def _explanation(explanation: Explanation) -> pb.Explanation:
    return pb.Explanation(
        item=explanation.item,
        state=explanation.state,
        detail=explanation.detail,
        rank=explanation.rank,
        provenance=None if explanation.provenance is None else _provenance(explanation.provenance),
    )


def _fields(event: pb.Event) -> dict[str, Any]:
    """What is set of it; a kind that nobody knows is told by its number."""
    named = event.kind in pb.Event.Kind.values() and event.kind != pb.Event.KIND_UNSPECIFIED
    kind = pb.Event.Kind.Name(event.kind).lower() if named else f"number {event.kind}"
    return {**{field.name: value for field, value in event.ListFields()}, "kind": kind}
