"""generate and generate_stream: text in, text out, and events as they come."""

import json
from typing import Any

import httpx
import pytest

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server, refused

PATH = "/v2/models/repeat/"


def events(answer: httpx.Response) -> list[Any]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = answer.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


@cites(Section.GENERATE)
@pytest.mark.parametrize("path", [PATH, PATH + "versions/1/"], ids=["", "version"])
def test_generate_answers_with_one_object(ours: Server, path: str) -> None:
    answer = ours.post(path + "generate", json={"text_input": "höher"})
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == {"model_name": "repeat", "model_version": "1", "text_output": "höher"}


@cites(Section.GENERATE)
def test_generate_takes_parameters(ours: Server) -> None:
    answer = ours.post(PATH + "generate", json={"text_input": "one", "parameters": {"stream": False, "temperature": 0}})
    assert answer.json()["text_output"] == "one"


@cites(Section.GENERATE)
def test_generate_gives_the_request_id_back(ours: Server) -> None:
    assert ours.post(PATH + "generate", json={"text_input": "one", "id": "42"}).json()["id"] == "42"


@cites(Section.GENERATE)
def test_generate_of_more_than_one_answer_is_an_error(ours: Server) -> None:
    # Triton says so with 200.
    assert set(ours.post(PATH + "generate", json={"text_input": "one two"}).json()) == {"error"}


@cites(Section.GENERATE)
@pytest.mark.parametrize("path", [PATH, PATH + "versions/1/"], ids=["", "version"])
@pytest.mark.parametrize("words", [["one"], ["one", "two", "höher"], ["w"] * 300], ids=len)
def test_generate_stream_answers_with_an_event_for_each_response(ours: Server, path: str, words: list[str]) -> None:
    answer = ours.post(path + "generate_stream", json={"text_input": " ".join(words)})
    assert answer.status_code == 200
    assert [event["text_output"] for event in events(answer)] == words


@cites(Section.GENERATE)
def test_generate_stream_may_have_no_events(ours: Server) -> None:
    answer = ours.post(PATH + "generate_stream", json={"text_input": ""})
    assert (answer.status_code, answer.content) == (200, b"")


@cites(Section.GENERATE)
def test_an_error_in_a_stream_is_an_event(ours: Server) -> None:
    answer = ours.post(PATH + "generate_stream", json={"text_input": "one FAIL"})
    assert answer.status_code == 200
    assert [set(event) & {"error", "text_output"} for event in events(answer)] == [{"text_output"}, {"error"}]


@cites(Section.GENERATE)
def test_an_error_before_the_first_event_is_the_status(ours: Server) -> None:
    answer = ours.post(PATH + "generate_stream", json={"text_input": "FAIL"})
    assert answer.status_code == 400
    assert [set(event) for event in events(answer)] == [{"error"}]
    refused(ours.post(PATH + "generate", json={"text_input": "FAIL"}))


@cites(Section.GENERATE)
@pytest.mark.parametrize("path", ["generate", "generate_stream"])
@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"else":"one"}'], ids=repr)
def test_a_request_that_is_wrong_is_refused_with_json(ours: Server, path: str, text: bytes) -> None:
    refused(ours.post(PATH + path, content=text))


@cites(Section.GENERATE)
@pytest.mark.parametrize("path", ["generate", "generate_stream"])
def test_an_unknown_model_generates_nothing(server: Server, path: str) -> None:
    answer = refused(server.post(f"/v2/models/no_such_model/{path}", json={"text_input": "one"}))
    assert answer.status_code in (400, 404)
