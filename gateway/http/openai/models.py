"""GET /v1/models: what is served now, by our names and by those of OpenAI that stand for them."""

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from conch.clients.inference import ModelNotFound
from gateway.catalogue import Catalogue
from gateway.http.answering import answering, while_connected
from gateway.http.openai import documents
from gateway.http.openai.names import ALIASES, SHOWN, names_of
from gateway.http.openai.shapes import ModelShape, ModelsShape
from gateway.reception import Reception


def model_routes(reception: Reception, catalogue: Catalogue) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.get("/v1/models", **documents.MODELS)
    async def list_models(request: Request) -> Response:
        """Models that answer now, of those that the caller may ask; some are for /v1/infer and KServe alone."""
        async with answering(reception, "Models", request, documents.FACE) as call:
            served = await while_connected(request, catalogue.served_to(call.identity))
            data = [ModelShape(id=name, root=model) for model in served for name in names_of(model)]
            return JSONResponse(ModelsShape(data=data).model_dump())

    @router.get("/v1/models/{model}", **documents.MODEL)
    async def retrieve_model(request: Request) -> Response:
        """One of them."""
        async with answering(reception, "Models", request, documents.FACE) as call:
            name = str(request.path_params["model"])
            root = ALIASES.get(name, name)
            if root not in await while_connected(request, catalogue.served_to(call.identity)):
                raise ModelNotFound(f"model {name[:SHOWN]!r} is not served here").about("model")
            return JSONResponse(ModelShape(id=name, root=root).model_dump())

    return router
