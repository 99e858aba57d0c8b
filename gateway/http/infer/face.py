"""POST /v1/infer/{model}: any loaded model in plain JSON, its answers as JSON or as server-sent events."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import JsonValue

from conch.clients.inference import CallOptions
from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import ConchError, InvalidRequest
from gateway.any_model import AnyModel, Row
from gateway.calls import Call
from gateway.http.answering import answering, while_connected
from gateway.http.bodies import Document, aside, json_document
from gateway.http.infer.documents import INFER, INFER_VERSION
from gateway.http.infer.rows import Asked, read_rows, told
from gateway.http.numbers import NumbersResponse
from gateway.http.parts import InParts, Outgoing
from gateway.http.refusals import openai_error
from gateway.limits import Limits
from gateway.permitted import check_permitted
from gateway.reception import Reception

JSON = "application/json"
EVENTS = "text/event-stream"


def infer_routes(reception: Reception, limits: Limits, any_model: AnyModel, body_within_s: float) -> APIRouter:
    router = APIRouter(tags=["infer"])

    @router.post("/v1/infer/{model}", **INFER)
    @router.post("/v1/infer/{model}/versions/{version}", **INFER_VERSION)
    async def infer(request: Request) -> Response:
        """Ask any model that is loaded: inputs by name, outputs by name. Those loaded now are described below."""

        async def answer(outgoing: Outgoing) -> None:
            async with answering(reception, "Infer", request) as call:
                document = await json_document(request, limits.infer_bytes, body_within_s)
                asking = _Asking(any_model, request, document, limits.infer_rows, call)
                await while_connected(request, asking.answer(outgoing))

        return InParts(answer)

    return router


class _Asking:
    """One call, from its document to its answer."""

    def __init__(self, any_model: AnyModel, request: Request, document: Document, most_rows: int, call: Call) -> None:
        self._any_model = any_model
        self._document = document
        self._most_rows = most_rows
        self._call = call
        self._model = str(request.path_params["model"])
        self._version = _version(request)
        self._outputs = _outputs(request)
        self._accept = request.headers.get("accept", "")

    async def answer(self, outgoing: Outgoing) -> None:
        # What a model's refusals tell of it is for those alone who may call it.
        check_permitted(self._model, self._options())
        metadata = await self._any_model.metadata(self._model, self._version)
        if self._by_events(metadata):
            await self._answer_in_events(outgoing)
        else:
            document = await self._any_model.described(self._model, self._version, self._whole)
            await outgoing.whole(NumbersResponse(document))

    def _by_events(self, metadata: ModelMetadata) -> bool:
        """What the caller accepts decides; of both, or of neither, the model's own way."""
        json_too, events_too = JSON in self._accept, EVENTS in self._accept
        return metadata.decoupled if json_too == events_too else events_too

    async def _whole(self, metadata: ModelMetadata) -> JsonValue:
        asked = await self._read(metadata)
        if metadata.decoupled:
            answers: list[Row] = [row async for row in self._stream(metadata, asked)]
        else:
            answers = await self._any_model.infer(metadata, asked.rows, self._outputs, self._options())
        size_bytes = sum(array.nbytes for row in answers for array in row.values())
        documents: list[JsonValue] = await aside(size_bytes, lambda: [told(row, metadata) for row in answers])
        return documents if asked.listed or metadata.decoupled else documents[0]

    async def _answer_in_events(self, outgoing: Outgoing) -> None:
        outgoing.media_type = EVENTS
        outgoing.says_errors(_error_event)

        async def begun(metadata: ModelMetadata) -> tuple[ModelMetadata, AsyncIterator[Row], Row | None]:
            asked = await self._read(metadata)
            answers = self._stream(metadata, asked)
            # What a model refuses, it refuses here, before there is a status.
            return metadata, answers, await anext(answers, None)

        metadata, answers, answer = await self._any_model.described(self._model, self._version, begun)
        async with aclosing(answers):  # type: ignore[type-var]
            while answer is not None:
                await outgoing.part(_event("message", told(answer, metadata)))
                answer = await anext(answers, None)
        await outgoing.part(_event("done", {}))

    async def _stream(self, metadata: ModelMetadata, asked: Asked) -> AsyncIterator[Row]:
        if not metadata.decoupled:
            for row in await self._any_model.infer(metadata, asked.rows, self._outputs, self._options()):
                yield row
            return
        answers: Any = self._any_model.stream(metadata, asked.rows[0], self._outputs, self._options())
        async with aclosing(answers):
            async for row in answers:
                yield row

    async def _read(self, metadata: ModelMetadata) -> Asked:
        _check_outputs(self._outputs, metadata)
        document = self._document
        return await aside(document.size_bytes, lambda: read_rows(document.value, metadata, self._most_rows))

    def _options(self) -> CallOptions:
        return replace(self._call.asked_by_somebody(), version=self._version)


def _version(request: Request) -> str:
    named = str(request.path_params.get("version", ""))
    return named or request.query_params.get("version", "")


def _outputs(request: Request) -> Sequence[str] | None:
    wanted = request.query_params.get("outputs")
    return None if wanted is None else [name for name in wanted.split(",") if name]


def _check_outputs(wanted: Sequence[str] | None, metadata: ModelMetadata) -> None:
    known = [tensor.name for tensor in metadata.outputs]
    for name in wanted or ():
        if name not in known:
            names = ", ".join(known)
            raise InvalidRequest(f"output {name[:64]} is not one of model {metadata.name}: {names}").about("outputs")


def _event(name: str, document: JsonValue) -> bytes:
    event = "" if name == "message" else f"event: {name}\n"
    return f"{event}data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def _error_event(error: ConchError) -> bytes:
    return _event("error", openai_error(error))
