"""What the description of the API says of POST /v1/infer: of any model, and of each that is loaded now."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.contracts.refusals import TABLE, TOO_MUCH_FOR_NOW
from gateway.http.infer.values import BASE64, NUMPY_TYPES, bounds_of, is_single
from gateway.http.openai.shapes import RefusalShape

Schema = dict[str, Any]

_EVENTS: Schema = {
    # Of each event, as OpenAPI 3.2 has it.
    "schema": {
        "type": "object",
        "properties": {"event": {"enum": ["message", "done", "error"]}, "data": {"type": "string"}},
        "required": ["data"],
    },
    "example": 'data: {"number": 1}\n\nevent: done\ndata: {}\n\n',
}
_QUERY: list[Schema] = [
    {
        "name": "outputs",
        "in": "query",
        "description": "Names of outputs, with commas between them; all of them where it is absent.",
        "schema": {"type": "string"},
    }
]
_VERSION: Schema = {
    "name": "version",
    "in": "query",
    "description": "Of the model; the one that is served to everybody where it is absent.",
    "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
}
_ROW: Schema = {"type": "object"}


def _or_rows(row: Schema) -> Schema:
    return {"anyOf": [row, {"type": "array", "items": row, "minItems": 1}]}


_ANY_ANSWER = {
    "description": "Outputs by name; of a list of rows a list of such. A decoupled model answers by events.",
    "content": {"application/json": {"schema": _or_rows(_ROW)}, "text/event-stream": _EVENTS},
}


def _parameter(name: str, example: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": example}


def _any(*parameters: Schema) -> dict[str, Any]:
    body = {"schema": _or_rows(_ROW), "example": {"text": "call John"}}
    refusals = {row.http: {"model": RefusalShape, "description": row.title} for row in _refusal_rows()}
    return {
        "openapi_extra": {
            "parameters": [*parameters, *_QUERY],
            "requestBody": {"required": True, "content": {"application/json": body}},
        },
        "responses": {200: _ANY_ANSWER, **refusals},
    }


def _refusal_rows() -> list[Any]:
    return [*TABLE.values(), TOO_MUCH_FOR_NOW]


INFER: dict[str, Any] = _any(_parameter("model", "intent"), _VERSION)
INFER_VERSION: dict[str, Any] = _any(_parameter("model", "intent"), _parameter("version", "1"))


def path_of(metadata: ModelMetadata) -> str:
    return f"/v1/infer/{metadata.name}"


def operation_of(metadata: ModelMetadata, most_rows: int) -> Schema:
    """OpenAPI's POST of one model, made from its metadata."""
    row = _row(metadata.inputs, _input)
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": 1 if metadata.decoupled else most_rows}
    batch = f"at most {metadata.max_batch_size} rows of a request" if metadata.max_batch_size else "a row a request"
    refused = {"application/json": {"schema": {"$ref": f"#/components/schemas/{RefusalShape.__name__}"}}}
    return {
        "tags": ["models"],
        "operationId": f"infer_{metadata.name}",
        "summary": f"Ask {metadata.name}",
        "description": f"Versions: {', '.join(metadata.versions)}. The server runs {batch}.",
        "parameters": [_VERSION, *_QUERY],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [row, rows]}, "example": example_of(metadata)}},
        },
        "responses": {
            "200": {"description": "Outputs by name.", "content": _answers(metadata)},
            **{str(one.http): {"description": one.title, "content": refused} for one in _refusal_rows()},
        },
    }


def example_of(metadata: ModelMetadata) -> JsonValue:
    """The model's own; else the least that its tensors take."""
    try:
        own: JsonValue = json.loads(metadata.example)
    except ValueError:
        return {tensor.name: _least(tensor) for tensor in metadata.inputs if not tensor.optional}
    return own


def _answers(metadata: ModelMetadata) -> Schema:
    row = _row(metadata.outputs, _output)
    # Of an answer, nothing is required: a caller may ask for some outputs only.
    row = {**row, "required": []}
    whole = {"type": "array", "items": row}
    return {
        "application/json": {"schema": whole if metadata.decoupled else {"anyOf": [row, whole]}},
        "text/event-stream": _EVENTS,
    }


def _row(tensors: tuple[TensorMetadata, ...], schema: Any) -> Schema:
    return {
        "type": "object",
        "properties": {tensor.name: schema(tensor) for tensor in tensors},
        "required": [tensor.name for tensor in tensors if not tensor.optional],
        "additionalProperties": False,
    }


def _input(tensor: TensorMetadata) -> Schema:
    return {**_nested(tensor, _leaf(tensor.data_type)), "description": _shape(tensor)}


def _output(tensor: TensorMetadata) -> Schema:
    leaf = _leaf(tensor.data_type)
    if leaf.get("type") == "number":
        leaf = {"type": ["number", "null"]}
    return {**_nested(tensor, leaf), "description": _shape(tensor)}


def _nested(tensor: TensorMetadata, schema: Schema) -> Schema:
    if is_single(tensor):
        return schema
    for dim in reversed(tensor.dims):
        length = {} if dim < 0 else {"minItems": dim, "maxItems": dim}
        schema = {"type": "array", "items": schema, **length}
    return schema


def _leaf(data_type: str) -> Schema:
    dtype = NUMPY_TYPES.get(data_type)
    if dtype is None:
        return {}
    if dtype.kind == "O":
        packed = {"type": "string", "contentEncoding": "base64"}
        parts = {"properties": {BASE64: packed}, "required": [BASE64], "additionalProperties": False}
        return {"anyOf": [{"type": "string"}, {"type": "object", **parts}]}
    if dtype.kind == "b":
        return {"type": "boolean"}
    least, most = bounds_of(dtype)
    return {"type": "number" if dtype.kind == "f" else "integer", "minimum": least, "maximum": most}


def _shape(tensor: TensorMetadata) -> str:
    return f"{tensor.data_type}{list(tensor.dims)}"


_LEAST: Mapping[str, JsonValue] = {"O": "hello", "b": False, "f": 0.0, "i": 0, "u": 0}


def _least(tensor: TensorMetadata) -> JsonValue:
    dtype = NUMPY_TYPES.get(tensor.data_type)
    value = _LEAST[dtype.kind] if dtype is not None else None
    if is_single(tensor):
        return value
    for dim in reversed(tensor.dims):
        value = [value] * (1 if dim < 0 else dim)
    return value
