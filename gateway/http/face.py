"""The one ASGI app of the HTTP face."""

from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from conch.contracts.errors import ConchError, Internal
from conch.contracts.identity import REQUEST_ID_HEADER
from gateway.health import Health
from gateway.http.answering import Identified, identity_of
from gateway.http.description import description_routes
from gateway.http.infer.face import infer_routes
from gateway.http.kserve import kserve_routes
from gateway.http.openai.face import openai_routes
from gateway.http.operations import operations_routes
from gateway.http.recommend.face import recommend_routes
from gateway.http.refusals import not_routed, refused
from gateway.http.text import text_routes
from gateway.http.unread import Unread
from gateway.http.voice import voice_routes
from gateway.limits import Limits
from gateway.metrics import Metrics
from gateway.reception import Reception
from gateway.scrape import Scrape
from gateway.use_cases import UseCases


def http_face(
    reception: Reception,
    limits: Limits,
    use_cases: UseCases,
    health: Health,
    metrics: Metrics,
    scrape: Scrape,
    *,
    body_within_s: float,
) -> FastAPI:
    """`body_within_s`: how long a request's body may take to arrive."""
    app = FastAPI(
        title="Conch",
        description="Speech to text, text to intent, text to speech, texts as vectors, recommendations, and any model.",
        openapi_url=None,  # description.py tells more
    )
    app.include_router(voice_routes(reception, limits, use_cases, body_within_s))
    app.include_router(text_routes(reception, limits, use_cases, body_within_s))
    app.include_router(openai_routes(reception, limits, use_cases, body_within_s))
    app.include_router(recommend_routes(reception, use_cases.recommendations, body_within_s))
    app.include_router(infer_routes(reception, limits, use_cases.any_model, body_within_s))
    app.include_router(description_routes(app, use_cases.catalogue, use_cases.any_model, limits.infer_rows))
    app.include_router(operations_routes(health, metrics, scrape))
    app.include_router(kserve_routes(health))
    app.add_middleware(Identified)
    app.add_middleware(Unread)
    app.add_exception_handler(ConchError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _bug)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    return refused(cast(ConchError, error), request.url.path, identity_of(request).request_id)


async def _not_routed(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    return not_routed(error, request.method, request.url.path, identity_of(request).request_id)


async def _bug(request: Request, error: Exception) -> Response:
    answer = refused(Internal("internal error"), request.url.path, identity_of(request).request_id)
    # Starlette answers this outside of every other middleware.
    answer.headers[REQUEST_ID_HEADER] = identity_of(request).request_id
    return answer
