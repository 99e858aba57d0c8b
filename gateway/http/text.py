"""POST /embed: convert, call, convert."""

from fastapi import APIRouter, Request, Response

from gateway.http.answering import answering, while_connected
from gateway.http.bodies import json_body
from gateway.http.numbers import NumbersResponse
from gateway.http.refusals import PROBLEMS
from gateway.http.shapes import TextsBody, VectorsShape
from gateway.limits import Limits
from gateway.reception import Reception
from gateway.use_cases import UseCases

EMBED_DOCS = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": TextsBody.model_json_schema()}}}
}


def text_routes(reception: Reception, limits: Limits, use_cases: UseCases, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["text"], responses=PROBLEMS)

    @router.post("/embed", openapi_extra=EMBED_DOCS, responses={200: {"model": VectorsShape}})
    async def embed(request: Request) -> Response:
        """One unit-length vector a text, in the order of the texts."""
        async with answering(reception, "Embed", request) as call:
            body = await json_body(request, TextsBody, limits.embed_bytes * limits.embed_texts, body_within_s)
            embedded = await while_connected(request, use_cases.embedding.embed(body.texts, call))
            return NumbersResponse({"embeddings": embedded.vectors.astype(float).tolist()})

    return router
