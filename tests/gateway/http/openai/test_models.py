"""GET /v1/models, and names that have another meaning here than at OpenAI."""

import httpx
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.specs import MODELS
from gateway.http.openai.names import ALIASES
from gateway.http.openai.rerank import RERANKER

SERVED = {"whisper", "vad", "intent", "voice_command", "piper", "embedding", "recommend"}


async def listed(http: httpx.AsyncClient) -> dict[str, str]:
    """Each name and the model that answers to it."""
    document = (await http.get("/v1/models")).json()
    assert document["object"] == "list"
    for one in document["data"]:
        assert (one["object"], one["owned_by"], one["created"]) == ("model", "conch", 0)
    return {one["id"]: one["root"] for one in document["data"]}


async def test_every_model_is_listed_by_its_name_and_by_those_that_stand_for_it(http: httpx.AsyncClient) -> None:
    assert await listed(http) == {**{name: name for name in SERVED}, **ALIASES}


async def test_a_model_that_is_gone_goes_with_all_its_names(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    del models.functions["whisper"]
    assert not {"whisper", "whisper-1", "gpt-4o-transcribe"} & set(await listed(http))
    assert (await http.get("/v1/models/whisper-1")).status_code == 404


@pytest.mark.parametrize(("name", "root"), [("whisper", "whisper"), ("tts-1", "piper"), ("intent", "intent")])
async def test_one_model_is_told_by_either_name(http: httpx.AsyncClient, name: str, root: str) -> None:
    answer = (await http.get(f"/v1/models/{name}")).json()
    assert answer == {"id": name, "object": "model", "created": 0, "owned_by": "conch", "root": root}


@pytest.mark.parametrize("name", ["gpt-4o", "a%2Fb", "%00", "x" * 300])
async def test_a_model_that_is_not_here_is_not_found(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get(f"/v1/models/{name}")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (404, "invalid_request_error")
    assert len(answer.content) < 500


async def test_a_name_that_is_not_here_has_openais_code(http: httpx.AsyncClient) -> None:
    error = (await http.get("/v1/models/gpt-4o")).json()["error"]
    assert error == {
        "message": "model 'gpt-4o' is not served here",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_each_name_of_openais_stands_for_a_model_of_ours() -> None:
    assert set(ALIASES.values()) <= set(MODELS)
    assert not set(ALIASES) & set(MODELS)


async def test_reranking_waits_for_a_reranker(http: httpx.AsyncClient) -> None:
    assert RERANKER not in MODELS, "there is one now: /v1/rerank has to ask it"
    body = {"model": "rerank-1", "query": "shoes", "documents": ["sneakers", {"text": "jam"}], "top_n": 1}
    answer = await http.post("/v1/rerank", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "cross_encoder" in error["message"]


async def test_a_rerank_that_makes_no_sense_is_refused_for_that(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/rerank", json={"model": "m", "query": "q", "documents": "d"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "documents")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/chat/completions", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/whisper", 405, "method_not_allowed"),
    ],
)
async def test_calls_of_openais_that_are_not_here_are_refused_in_its_shape(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await http.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (status, "invalid_request_error", code)


async def test_a_tenant_sees_the_models_that_it_may_ask(http: httpx.AsyncClient) -> None:
    acme = {"x-conch-tenant": "acme", "x-conch-models": "piper,intent"}
    document = (await http.get("/v1/models", headers=acme)).json()
    assert {one["root"] for one in document["data"]} == {"piper", "intent"}
    assert (await http.get("/v1/models/whisper-1", headers=acme)).status_code == 404


async def test_a_tenant_is_refused_what_it_may_not_ask(http: httpx.AsyncClient) -> None:
    acme = {"x-conch-tenant": "acme", "x-conch-models": "piper"}
    answer = await http.post("/v1/embeddings", json={"model": "embedding", "input": "a"}, headers=acme)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (403, "permission_error", "permission_denied")
