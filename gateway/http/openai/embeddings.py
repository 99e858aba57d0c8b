"""POST /v1/embeddings."""

import base64

from fastapi import APIRouter, Request, Response
from pydantic import JsonValue

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import EMBEDDING_WIDTH
from gateway.embedding import Embedded, Vectors
from gateway.http.answering import answering, while_connected
from gateway.http.bodies import json_body
from gateway.http.numbers import NumbersResponse
from gateway.http.openai import documents
from gateway.http.openai.blame import blaming
from gateway.http.openai.names import check_model
from gateway.http.openai.shapes import EmbeddingsBody
from gateway.limits import Limits
from gateway.reception import Reception
from gateway.use_cases import UseCases


def embedding_routes(reception: Reception, limits: Limits, use_cases: UseCases, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.post("/v1/embeddings", **documents.EMBEDDINGS)
    async def create_embeddings(request: Request) -> Response:
        """One unit-length vector a text, in the order of the texts."""
        async with answering(reception, "Embed", request, documents.FACE) as call:
            body = await json_body(request, EmbeddingsBody, limits.embed_bytes * limits.embed_texts, body_within_s)
            check_model(body.model, "embedding", "embeds")
            _check_dimensions(body.dimensions)
            texts = _texts(body.input)
            with blaming("input"):
                embedded = await while_connected(request, use_cases.embedding.embed(texts, call))
            return NumbersResponse(_document(body, embedded))

    return router


def _texts(given: JsonValue) -> list[str]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list):
        texts = [one for one in given if isinstance(one, str)]
        if len(texts) == len(given):
            return texts
        if any(isinstance(one, int | list) for one in given):
            raise InvalidRequest(
                "input holds tokens, which are another model's: send the text itself "
                "(LangChain: check_embedding_ctx_length=False)"
            ).about("input")
    raise InvalidRequest("input is neither a text nor a list of texts").about("input")


def _check_dimensions(given: int | None) -> None:
    if given not in (None, EMBEDDING_WIDTH):
        raise InvalidRequest(
            f"dimensions is {given}, vectors of this model have {EMBEDDING_WIDTH} and mean nothing when they are cut"
        ).about("dimensions")


def _document(body: EmbeddingsBody, embedded: Embedded) -> dict[str, object]:
    """As a shape of pydantic's, a call of 256 texts would take 100,000 checks."""
    vectors = _packed(embedded.vectors) if body.encoding_format == "base64" else embedded.vectors.astype(float).tolist()
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(vectors)],
        "model": body.model,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def _packed(vectors: Vectors) -> list[str]:
    return [base64.b64encode(vector.tobytes()).decode() for vector in vectors.astype("<f4")]
