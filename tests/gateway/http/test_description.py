"""The description of the API tells of every model that is loaded, and its examples work as printed."""

import re
from typing import Any

import httpx
import pytest

from conch.clients.inprocess import InProcessInference

EVERYWHERE = {
    "/transcribe",
    "/understand",
    "/v1/embeddings",
    "/v1/infer/{model}",
    "/v1/infer/{model}/versions/{version}",
}


async def description(http: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await http.get("/openapi.json", headers=headers)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


async def test_each_loaded_model_has_a_path_of_its_own(http: httpx.AsyncClient, models: InProcessInference) -> None:
    paths = (await description(http))["paths"]
    assert paths.keys() >= EVERYWHERE
    assert {f"/v1/infer/{name}" for name in models.functions} <= paths.keys()
    del models.functions["intent"]
    assert "/v1/infer/intent" not in (await description(http))["paths"]


async def test_a_models_schema_is_made_from_its_metadata(http: httpx.AsyncClient) -> None:
    piper = (await description(http))["paths"]["/v1/infer/piper"]["post"]
    row, rows = piper["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert (row["required"], row["additionalProperties"], rows["maxItems"]) == (["text"], False, 1)
    scale = row["properties"]["length_scale"]
    assert (scale["type"], scale["description"], scale["maximum"]) == (
        "number",
        "FP32[1]",
        pytest.approx(3.4028e38, rel=1e-4),
    )
    answers = piper["responses"]["200"]["content"]
    assert answers.keys() == {"application/json", "text/event-stream"}
    assert answers["application/json"]["schema"]["items"]["properties"]["pcm16"] == {
        "type": "array",
        "items": {"type": "integer", "minimum": -32768, "maximum": 32767},
        "description": "INT16[-1]",
    }


async def test_a_reader_sees_the_models_that_it_may_call(http: httpx.AsyncClient) -> None:
    paths = (await description(http, **{"x-conch-models": "intent"}))["paths"]
    assert "/v1/infer/intent" in paths
    assert "/v1/infer/piper" not in paths


async def test_without_the_server_everything_else_is_described(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    models.functions.clear()
    assert (await description(http))["paths"].keys() >= EVERYWHERE


async def test_every_json_example_is_answered(http: httpx.AsyncClient, models: InProcessInference) -> None:
    for name in ("whisper", "vad", "voice_command"):
        del models.functions[name]  # their examples stand in their config.pbtxt
    document = await description(http)
    tried = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" not in content or path == "/v1/rerank":
                continue
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
            answer = await http.request(method, path, json=content["example"])
            assert answer.status_code == 200, (path, answer.text)
            tried.append(path)
    assert {"/v1/embeddings", "/v1/infer/intent", "/v1/infer/piper", "/v1/infer/intent/versions/1"} <= set(tried)


async def test_the_page_shows_the_description(http: httpx.AsyncClient) -> None:
    answer = await http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in answer.text


async def test_the_page_needs_no_other_site(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    named = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(named) >= 3
    for path in named:
        answer = await http.get(path)
        assert (answer.status_code, path[0]) == (200, "/")
        assert len(answer.content) > 100


async def test_kserves_calls_are_described_beside_it(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi/kserve.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "/v2/models/{model}/infer" in document["paths"]
