"""OpenAPI of KServe v2 over HTTP, as the edge and Triton serve it: calls that are not an operator's alone."""

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]

REFUSALS = {
    "400": "The request is invalid; of health: the answer is no.",
    "401": "No key, or one that does not hold.",
    "403": "The key's tenant may not do this.",
    "404": "There is no such model or version.",
    "413": "The request is too large.",
    "415": "The body is packed with something other than gzip.",
    "429": "That is too much; retry-after says when to come back.",
    "500": "Internal error.",
    "503": "The server is away, or the model's queue is full.",
    "504": "Time ran out.",
}

_INFER_EXAMPLE = {"inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["call John"]}]}
_TEXT: Schema = {"type": "string"}
_NUMBERS: Schema = {"type": "array", "items": {"type": "integer"}}
_DATA: Schema = {
    "description": "Row by row, nested or flat: numbers, true and false, or strings, as the datatype says.",
    "type": "array",
    "items": {},
}
_DATA_TYPES = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES",
)  # fmt: skip


def kserve_document() -> Schema:
    model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "KServe v2 at Conch",
            "version": "2",
            "description": "The Open Inference Protocol and Triton's extensions. Inference and reading go straight to "
            "Triton; health is proved by inference. Bodies may be packed with gzip.",
        },
        "paths": {
            **_server_paths(),
            **_model_paths(model, "model", ("model",)),
            **_model_paths(version, "version", ("model", "version")),
        },
        "components": {
            "schemas": _SCHEMAS,
            "parameters": {
                "model": _parameter("model", "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "intent"),
                "version": _parameter("version", "^[0-9]{1,18}$", "1"),
            },
            "responses": {status: {"description": text, "content": _ERROR} for status, text in REFUSALS.items()},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": [{}, {"key": []}, {"header": []}],
    }


def _server_paths() -> Schema:
    index = {"type": "array", "items": _ref("schemas", "IndexedModel")}
    return {
        "/v2": {"get": _operation("serverMetadata", "The server's name and extensions", _answer("ServerMetadata"))},
        "/v2/health/live": {"get": _operation("serverLive", "Whether the server answers", _YES)},
        "/v2/health/ready": {"get": _operation("serverReady", "Whether the models that are served answer", _YES)},
        "/v2/models/stats": {"get": _operation("statistics", "Statistics of all models", _answer("Statistics"))},
        "/v2/repository/index": {
            "post": {
                **_operation("repositoryIndex", "All that is in the repository", {**_OK, "content": _json(index)}),
                "requestBody": {"content": _json(_ref("schemas", "IndexRequest"), {"ready": True})},
            }
        },
    }


def _model_paths(base: str, name: str, parameters: Sequence[str]) -> Schema:
    infer = {"required": True, "content": _json(_ref("schemas", "InferRequest"), _INFER_EXAMPLE)}
    fields = {"required": True, "content": _json(_ref("schemas", "GenerateRequest"), {"text": "call John"})}
    events = {**_OK, "content": {"text/event-stream": {"schema": _EVENT}}}

    def one(what: str, summary: str, answer: Schema, body: Schema | None = None) -> Schema:
        operation = _operation(f"{name}{what}", summary, answer, parameters)
        return {"post": {**operation, "requestBody": body}} if body else {"get": operation}

    return {
        base: one("Metadata", "Inputs and outputs of a model", _answer("ModelMetadata")),
        f"{base}/ready": one("Ready", "Whether a model answers, proved by asking it", _YES),
        f"{base}/config": one("Config", "The model's config.pbtxt", {**_OK, "content": _json({"type": "object"})}),
        f"{base}/stats": one("Statistics", "Statistics of a model", _answer("Statistics")),
        f"{base}/infer": one("Infer", "Ask a model", _INFERRED, infer),
        f"{base}/generate": one("Generate", "Ask a model, inputs as fields", _answer("GenerateResponse"), fields),
        f"{base}/generate_stream": one("GenerateStream", "The same, answers as events", events, fields),
    }


def _operation(name: str, summary: str, answer: Schema, parameters: Sequence[str] = ()) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [_ref("parameters", one) for one in parameters],
        "responses": {"200": answer, **{status: _ref("responses", status) for status in REFUSALS}},
    }


def _parameter(name: str, pattern: str, example: str) -> Schema:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def _answer(schema: str) -> Schema:
    return {**_OK, "content": _json(_ref("schemas", schema))}


def _json(schema: Schema, example: Any = None) -> Schema:
    return {"application/json": {"schema": schema, **({} if example is None else {"example": example})}}


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(needed: Schema, **others: Schema) -> Schema:
    return {"type": "object", "required": list(needed), "properties": {**needed, **others}}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


_OK: Schema = {"description": "OK"}
_YES: Schema = {"description": "Yes."}
# Triton says of some of its refusals that their JSON is text.
_ERROR: Schema = {**_json(_ref("schemas", "Error")), "text/plain": {"schema": _TEXT}}
_EVENT = _object({"data": _TEXT})
"""Of each, as OpenAPI 3.2 has it."""
# Tensors come binary to who asks for that, or sends no JSON: Triton takes such a body for the bytes of the only input.
_INFERRED: Schema = {
    **_OK,
    "content": {**_json(_ref("schemas", "InferResponse")), "application/octet-stream": {"schema": _TEXT}},
}
_DATA_TYPE = _ref("schemas", "DataType")
_TENSOR: Schema = {"name": _TEXT, "datatype": _DATA_TYPE, "shape": _NUMBERS}
_OBJECT: Schema = {"type": "object"}
_SCHEMAS: Schema = {
    "Error": _object({"error": _TEXT}),
    "DataType": {"type": "string", "enum": list(_DATA_TYPES)},
    "ServerMetadata": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
    "ModelMetadata": _object(
        {
            "name": _TEXT,
            "versions": _list(_TEXT),
            "platform": _TEXT,
            "inputs": _list(_object(_TENSOR)),
            "outputs": _list(_object(_TENSOR)),
        }
    ),
    "IndexRequest": _object({}, ready={"type": "boolean", "description": "Only those that are."}),
    "IndexedModel": _object({"name": _TEXT}, version=_TEXT, state=_TEXT, reason=_TEXT),
    "Statistics": _object({"model_stats": _list(_OBJECT)}),
    "InferRequest": _object(
        {"inputs": _list(_object({**_TENSOR, "data": _DATA}))}, id=_TEXT, outputs=_list(_object({"name": _TEXT}))
    ),
    "InferResponse": _object(
        {"model_name": _TEXT, "outputs": _list(_object(_TENSOR, data=_DATA))},
        id=_TEXT,
        model_version=_TEXT,
        parameters=_OBJECT,
    ),
    "GenerateRequest": {
        **_OBJECT,
        "description": "Inputs by name. Triton 2.51 answers 500 where a name has the character of code 0.",
        "propertyNames": {"pattern": r"^[^\x00]*$"},
    },
    "GenerateResponse": _object({}, model_name=_TEXT, model_version=_TEXT),
}
