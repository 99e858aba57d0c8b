"""Where Triton departs from the published protocol; the edge passes its answers on as they are.

Asked of both in every run; docs/conformance.md shows the table.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.conformance.differences import http, rpc
from tests.conformance.protocol import Section
from tests.conformance.server import Server, request_of
from tests.conformance.tensors import Tensor

IDENTITY = "/v2/models/identity/infer"


@dataclass(frozen=True, slots=True)
class Departure:
    published: str
    ask: Callable[[Server], str]
    triton: str
    section: Section


def _answer(method: str, path: str, body: bytes = b"") -> Callable[[Server], str]:
    """Status and body."""

    def ask(server: Server) -> str:
        answer = server.send(method, path, content=body)
        return f"{answer.status_code}, {answer.content.decode(errors='replace') or 'no body'}"

    return ask


def _data(datatype: str, value: str) -> Callable[[Server], str]:
    """What comes back of one element that is written so."""
    name = f"IN_{datatype}"
    tensor = f'{{"name":"{name}","datatype":"{datatype}","shape":[1],"data":[{value}]}}'

    def ask(server: Server) -> str:
        answer = server.post(IDENTITY, content=f'{{"inputs":[{tensor}]}}')
        return f"{answer.status_code}, {answer.text.partition(chr(34) + 'data' + chr(34) + ':')[2].rstrip(']}')}]"

    return ask


def _too_many_raw(server: Server) -> str:
    request = request_of("identity", Tensor.of("IN_FP32", "FP32", np.ones(1)))
    request.raw_input_contents.append(b"1234")
    return rpc("ModelInfer", request)(server)


DEPARTURES = (
    Departure(
        'a health answer has a body, {"live": true}',
        _answer("GET", "/v2/health/live"),
        "200, no body",
        Section.REST_HEALTH,
    ),
    Departure(
        "a model that is not there is not found",
        http("GET", "/v2/models/no_such_model/ready"),
        "400",
        Section.REST_HEALTH,
    ),
    Departure("JSON has no NaN", _data("FP32", "NaN"), "200, [NaN]", Section.REST_TENSOR_DATA),
    Departure(
        "an answer is JSON, so UTF-8, also where the request was not",
        _answer("POST", IDENTITY, b'{"inputs":[{"name":"\xff","datatype":"FP32","shape":[1],"data":[1]}]}'),
        "400, {\"error\":\"unexpected inference input '\ufffd' for model 'identity'\"}",
        Section.REST_ERROR,
    ),
    Departure(
        "a model answers to infer",
        http(
            "POST",
            "/v2/models/repeat/infer",
            json.dumps({"inputs": [Tensor.of("text_input", "BYTES", [b"one"]).json]}).encode(),
        ),
        "501",
        Section.REST_INFERENCE,
    ),
    Departure(
        "an error is an HTTP error status: generate of a model that gives two answers",
        http("POST", "/v2/models/repeat/generate", b'{"text_input":"one two"}'),
        "200",
        Section.GENERATE,
    ),
    Departure("raw contents are as many as the inputs", _too_many_raw, "OK", Section.GRPC_INFERENCE),
)


def table() -> str:
    """As docs/conformance.md has it."""
    lines = [f"| {one.published} | {one.triton} |" for one in DEPARTURES]
    return "\n".join(["| published | Triton 2.51 |", "|---|---|", *lines])


if __name__ == "__main__":
    print(table())
