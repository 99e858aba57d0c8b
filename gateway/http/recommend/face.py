"""POST /v1/recommend, /v1/recommend/related, …/best-sellers, …/rerank and …/track: convert, call, convert."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from conch.contracts.refusals import TABLE, TOO_MUCH_FOR_NOW
from gateway.http.answering import answering, while_connected
from gateway.http.bodies import json_body
from gateway.http.numbers import NumbersResponse
from gateway.http.openai.shapes import RefusalShape
from gateway.http.recommend import shapes
from gateway.reception import Reception
from gateway.recommending.recommendations import Recommendations

TEXT_BYTES = 8 * 2**20
"""Of a body: 100,000 excluded ids are 4 MB."""


REFUSALS: dict[int | str, dict[str, Any]] = {
    row.http: {"model": RefusalShape, "description": row.title} for row in (*TABLE.values(), TOO_MUCH_FOR_NOW)
}
"""In the shape of all of /v1."""


def _docs(shape: type[BaseModel]) -> dict[str, object]:
    content = {"application/json": {"schema": shape.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def recommend_routes(reception: Reception, use_cases: Recommendations, body_within_s: float) -> APIRouter:
    router = APIRouter(prefix="/v1/recommend", tags=["recommend"], responses=REFUSALS)

    @router.post("", openapi_extra=_docs(shapes.WishBody), responses={200: {"model": shapes.RecommendationShape}})
    async def recommend(request: Request) -> Response:
        """A ranked list for a user, an item or a category; the next pages by the id of the first."""
        async with answering(reception, "Recommend", request) as call:
            body = await json_body(request, shapes.WishBody, TEXT_BYTES, body_within_s)
            work = use_cases.recommending.recommend(body.to_wish(), call)
            return NumbersResponse(await while_connected(request, work))

    @router.post("/related", openapi_extra=_docs(shapes.RelatedBody), responses={200: {"model": shapes.RelatedShape}})
    async def related(request: Request) -> Response:
        """Masters like this one, without regard to the user."""
        async with answering(reception, "Related", request) as call:
            body = await json_body(request, shapes.RelatedBody, TEXT_BYTES, body_within_s)
            answer = await while_connected(request, use_cases.relating.related(body.item, body.k, call))
            told = {"related": answer.masters, "source": answer.source, "degraded": answer.degraded}
            return NumbersResponse(told)

    @router.post(
        "/best-sellers",
        openapi_extra=_docs(shapes.BestSellersBody),
        responses={200: {"model": shapes.BestSellersShape}},
    )
    async def best_sellers(request: Request) -> Response:
        """What sells best in a category, or at all."""
        async with answering(reception, "BestSellers", request) as call:
            body = await json_body(request, shapes.BestSellersBody, TEXT_BYTES, body_within_s)
            work = use_cases.selling_best.best_sellers(body.category, body.k, call)
            return NumbersResponse(await while_connected(request, work))

    @router.post(
        "/rerank", openapi_extra=_docs(shapes.RerankItemsBody), responses={200: {"model": shapes.RerankedShape}}
    )
    async def rerank(request: Request) -> Response:
        """The caller's own candidates, ranked by promos, stock and bids."""
        async with answering(reception, "Rerank", request) as call:
            body = await json_body(request, shapes.RerankItemsBody, TEXT_BYTES, body_within_s)
            work = use_cases.reranking.rerank(body.to_ranking(), call)
            return NumbersResponse(await while_connected(request, work))

    @router.post("/track", openapi_extra=_docs(shapes.TrackBody), responses={200: {"model": shapes.TrackedShape}})
    async def track(request: Request) -> Response:
        """What users did, into the event log; answered when the log has it."""
        async with answering(reception, "Track", request) as call:
            body = await json_body(request, shapes.TrackBody, TEXT_BYTES, body_within_s)
            work = use_cases.tracking.track(body.events, call)
            return NumbersResponse(await while_connected(request, work))

    return router
