"""GET /health and /metrics: for those who run the gateway."""

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from gateway.health import Health
from gateway.http.shapes import HealthShape, ModelHealthShape, ServiceHealthShape
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.scrape import Scrape


def operations_routes(health: Health, metrics: Metrics, scrape: Scrape) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/health", responses={200: {"model": HealthShape}, 503: {"model": HealthShape}})
    async def tell_health() -> Response:
        """Whether calls are answered now, proved by asking the models; 503 where a service is not ready."""
        services = {}
        for service in health.services:
            verdicts = await health.of_models(service)
            models = {name: ModelHealthShape(ready=one.ready, reason=one.reason) for name, one in verdicts.items()}
            ready = not health.draining and all(one.ready for one in models.values())
            services[service] = ServiceHealthShape(ready=ready, depends_on=models)
        ready = all(service.ready for service in services.values())
        shape = HealthShape(live=True, ready=ready, draining=health.draining, services=services)
        return JSONResponse(shape.model_dump(), status_code=200 if ready else 503)

    @router.get("/metrics", include_in_schema=False)
    async def tell_metrics() -> Response:
        """The gateway's own, in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    @router.get("/metrics/all", include_in_schema=False)
    async def tell_all_metrics() -> Response:
        """Triton's and the edge's beside them: what the edge's metrics port answers /metrics with."""
        return Response(await scrape.page(metrics.exposition().decode()), media_type=CONTENT_TYPE)

    return router
