"""KServe's health over HTTP, from inference probes; everything else under /v2 is Triton's, and goes there by the edge.

Statuses are Triton's: 200 without a body for yes, 400 for no, also for a model that nobody has. Where Triton says no
more than that, the reason stands beside it.
"""

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from gateway.health import Health, Verdict


def kserve_routes(health: Health) -> APIRouter:
    # Not of our own description: KServe's describes them.
    router = APIRouter(prefix="/v2", include_in_schema=False)

    @router.get("/health/live")
    async def server_live() -> Response:
        """Whether the inference server answers at all."""
        return _said(await health.of_triton())

    @router.get("/health/ready")
    async def server_ready() -> Response:
        """Whether the models that are served answer, proved by asking them."""
        return _said(await health.of_server())

    @router.get("/models/{model}/ready")
    async def model_ready(model: str) -> Response:
        """Whether a model answers, in the version that callers get who name none."""
        return _said(await health.of_version(model))

    @router.get("/models/{model}/versions/{version}/ready")
    async def version_ready(model: str, version: str) -> Response:
        """Whether one version of a model answers."""
        return _said(await health.of_version(model, version))

    return router


def _said(verdict: Verdict) -> Response:
    return Response() if verdict.ready else JSONResponse({"error": verdict.reason}, status_code=400)
