"""POST /v1/embeddings."""

import base64
from typing import Any

import httpx
import numpy as np
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import InvalidRequest

PATH = "/v1/embeddings"
TEXTS = ["a", "two words", "and three words"]


async def embedded(http: httpx.AsyncClient, given: Any, **fields: Any) -> httpx.Response:
    return await http.post(PATH, json={"model": "text-embedding-3-small", "input": given, **fields})


async def test_each_text_has_its_vector_in_order(http: httpx.AsyncClient) -> None:
    answer = (await embedded(http, TEXTS)).json()
    assert [(one["object"], one["index"]) for one in answer["data"]] == [("embedding", at) for at in range(3)]
    # The fake's vector points to the length of its text.
    assert [int(np.argmax(one["embedding"])) for one in answer["data"]] == [1, 9, 15]
    assert [len(one["embedding"]) for one in answer["data"]] == [384] * 3
    assert (answer["object"], answer["model"]) == ("list", "text-embedding-3-small")
    assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


async def test_one_text_is_a_list_of_one(http: httpx.AsyncClient) -> None:
    assert (await embedded(http, "a")).json()["data"] == (await embedded(http, ["a"])).json()["data"]


async def test_tokens_of_many_requests_to_the_model_add_up(http: httpx.AsyncClient) -> None:
    answer = (await embedded(http, ["one two"] * 100)).json()
    assert (len(answer["data"]), answer["usage"]["prompt_tokens"]) == (100, 200)


async def test_base64_holds_the_same_numbers(http: httpx.AsyncClient) -> None:
    plain = (await embedded(http, TEXTS, encoding_format="float")).json()
    packed = (await embedded(http, TEXTS, encoding_format="base64")).json()
    for one, other in zip(plain["data"], packed["data"], strict=True):
        numbers = np.frombuffer(base64.b64decode(other["embedding"]), "<f4")
        np.testing.assert_array_equal(numbers, np.array(one["embedding"], np.float32))


async def test_fields_that_change_nothing_do_no_harm(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for extra in ({"user": "u-1"}, {"dimensions": 384}, {"dimensions": None}, {"input_type": "query"}):
        with subtests.test(**extra):
            assert (await embedded(http, "a", **extra)).status_code == 200


MISTAKES: list[Any] = [
    ([1, 2], {}, 400, "invalid_request", "input", "holds tokens"),
    ([[1, 2]], {}, 400, "invalid_request", "input", "holds tokens"),
    (["a", None], {}, 400, "invalid_request", "input", "neither a text nor"),
    (7, {}, 400, "invalid_request", "input", "neither a text nor"),
    ({"text": "a"}, {}, 400, "invalid_request", "input", "neither a text nor"),
    ("", {}, 400, "invalid_request", "input", "is empty"),
    ([], {}, 400, "invalid_request", "input", "at least 1"),
    (["a"] * 257, {}, 413, "request_too_large", "input", "at most 256"),
    ("a" * 8193, {}, 413, "request_too_large", "input", "at most 8192"),
    ("a", {"dimensions": 256}, 400, "invalid_request", "dimensions", "have 384"),
    ("a", {"dimensions": "384"}, 400, "invalid_request", "dimensions", "valid integer"),
    ("a", {"encoding_format": "hex"}, 400, "invalid_request", "encoding_format", "'float' or 'base64'"),
    ("a", {"model": "bge"}, 404, "model_not_found", "model", "embedding, text-embedding-3-small"),
    ("a", {"model": "piper"}, 400, "invalid_request", "model", "is not one that embeds"),
]


async def test_every_mistake_is_told_apart(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for given, fields, status, code, param, message in MISTAKES:
        with subtests.test(message=message, given=str(given)[:30]):
            answer = await embedded(http, given, **fields)
            error = answer.json()["error"]
            told = answer.status_code, error["type"], error["code"], error["param"]
            assert told == (status, "invalid_request_error", code, param)
            assert message in error["message"]


async def test_what_the_model_itself_refuses_is_about_the_input(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    def refusing(inputs: Any, call: Any) -> Any:
        raise InvalidRequest("text has 1 characters and not one word")

    models.functions["embedding"] = refusing
    error = (await embedded(http, "\x01")).json()["error"]
    assert (error["param"], error["message"]) == ("input", "model embedding: text has 1 characters and not one word")


BODIES: dict[str, tuple[bytes, str | None]] = {
    "empty": (b"", None),
    "cut": (b"{", None),
    "a list": (b"[]", None),
    "no input": (b'{"model": "embedding"}', "input"),
    "no model": (b'{"input": "a"}', "model"),
    "not utf-8": (b'{"model": "embedding", "input": "\xff"}', None),
    "half a character": (b'{"model": "embedding", "input": "\\ud800"}', None),
    "deep": (b'{"model": "embedding", "input": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", None),
}


async def test_a_body_that_is_none_is_refused(http: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for name, (body, param) in BODIES.items():
        with subtests.test(name):
            answer = await http.post(PATH, content=body, headers={"content-type": "application/json"})
            error = answer.json()["error"]
            told = answer.status_code, error["type"], error["code"], error["param"]
            assert told == (400, "invalid_request_error", "invalid_request", param)


async def test_a_caller_who_says_it_is_another_tenant_with_odd_letters_is_refused_in_the_same_shape(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post(PATH, json={"model": "embedding", "input": "a"}, headers={"x-conch-tenant": "a b"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
