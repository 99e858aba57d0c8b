"""GET /openapi.json and /docs: the API with each model that its reader may call now, and KServe's calls beside it."""

import asyncio
import copy
import logging

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import ConchError
from conch.contracts.identity import Identity
from gateway.any_model import AnyModel
from gateway.catalogue import Catalogue
from gateway.http.answering import identity_of
from gateway.http.infer.documents import operation_of, path_of
from gateway.http.kserve_document import kserve_document

logger = logging.getLogger(__name__)

PATH = "/openapi.json"
KSERVE_PATH = "/openapi/kserve.json"
ASSETS_PATH = "/docs/assets"
WITHIN_S = 2.0
"""After which the models are left out: the description of all else needs no Triton."""


def description_routes(app: FastAPI, catalogue: Catalogue, any_model: AnyModel, most_rows: int) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    async def describe(request: Request) -> Response:
        document = copy.deepcopy(app.openapi())
        for metadata in await _loaded(catalogue, any_model, identity_of(request)):
            document["paths"][path_of(metadata)] = {"post": operation_of(metadata, most_rows)}
        return JSONResponse(document)

    @router.get(KSERVE_PATH)
    async def describe_kserve() -> Response:
        return JSONResponse(kserve_document())

    @router.get("/docs")
    async def show() -> Response:
        return get_swagger_ui_html(
            openapi_url=PATH,
            title=app.title,
            swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
        )

    # FastAPI's page names a site of the internet for these; a factory may have none.
    app.mount(ASSETS_PATH, StaticFiles(packages=[("fastapi_offline", "static")]))
    return router


async def _loaded(catalogue: Catalogue, any_model: AnyModel, caller: Identity) -> list[ModelMetadata]:
    try:
        async with asyncio.timeout(WITHIN_S):
            names = await catalogue.served_to(caller)
            found = await asyncio.gather(*map(any_model.metadata, names), return_exceptions=True)
    except (ConchError, TimeoutError) as error:
        logger.warning("models are left out of the description: %s", error)
        return []
    return [one for one in found if isinstance(one, ModelMetadata)]
