"""POST /v1/rerank, in Cohere's and Jina's shape: for the day when a reranker is in the repository."""

from fastapi import APIRouter, Request, Response

from conch.clients.inference import ModelNotFound
from gateway.http.answering import answering
from gateway.http.bodies import json_body
from gateway.http.openai import documents
from gateway.http.openai.names import SHOWN
from gateway.http.openai.shapes import RerankBody
from gateway.limits import Limits
from gateway.reception import Reception

RERANKER = "cross_encoder"


def rerank_routes(reception: Reception, limits: Limits, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.post("/v1/rerank", **documents.RERANK)
    async def rerank(request: Request) -> Response:
        """Not found: no model of the repository compares a query with documents."""
        async with answering(reception, "Rerank", request, documents.FACE):
            body = await json_body(request, RerankBody, limits.embed_bytes * limits.embed_texts, body_within_s)
            raise ModelNotFound(
                f"model {body.model[:SHOWN]!r} cannot rerank: that takes a {RERANKER}, and the repository holds none"
            ).about("model")

    return router
