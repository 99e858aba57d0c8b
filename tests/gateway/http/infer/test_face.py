"""Any model in plain JSON, asked of a gateway before the in-process twin."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions, text_column
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import InvalidRequest, TooMuch, Unavailable
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from gateway.addresses import Addresses
from tests.gateway.conftest import Hold, intent

CALL = {"intent": "DIAL_PERSON", "confidence": 0.875, "intent_scores": [0.0625, 0.875, 0.0625], "logits": [0.0] * 3}
SENTENCE_SAMPLES = 22050


def events(answer: httpx.Response) -> list[tuple[str, Any]]:
    """Name and document of each."""
    assert answer.headers["content-type"] == "text/event-stream"
    found = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["message"], error["param"]


async def test_one_row_has_no_batch_dimension(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/intent", json={"text": "call mai"})
    assert (answer.status_code, answer.json()) == (200, CALL)


async def test_a_list_of_rows_is_answered_by_a_list(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/intent", json=[{"text": "call mai"}, {"text": "summon the team"}])
    assert [one["intent"] for one in answer.json()] == ["DIAL_PERSON", "SUMMON_TEAM"]
    assert (await http.post("/v1/infer/intent", json=[{"text": "call mai"}])).json() == [CALL]


async def test_more_rows_than_a_request_takes_go_in_several(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    texts = [f"{'call' if number % 3 else 'summon'} {number}" for number in range(70)]
    answer = await http.post("/v1/infer/intent?outputs=intent", json=[{"text": text} for text in texts])
    assert answer.json() == [{"intent": "DIAL_PERSON" if n % 3 else "SUMMON_TEAM"} for n in range(70)]
    assert sorted(len(asked.inputs["text"]) for asked in models.asked) == [6, 32, 32]


async def test_rows_of_unequal_lengths_and_inputs_each_get_their_own_answer(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    models.functions["vad"] = lambda inputs, call: {"probabilities": inputs["pcm"] + ("state" in inputs)}
    rows: list[dict[str, Any]] = [{"pcm": [1, 2]}, {"pcm": [3]}, {"pcm": [4, 5]}]
    rows.append({"pcm": [6, 7], "state": [[0.0] * 128] * 2})
    answer = await http.post("/v1/infer/vad?outputs=probabilities", json=rows)
    assert [one["probabilities"] for one in answer.json()] == [[1, 2], [3], [4, 5], [7, 8]]
    assert sorted(len(asked.inputs["pcm"]) for asked in models.asked) == [1, 1, 2]


async def test_a_megabyte_of_json_goes_there_and_back(http: httpx.AsyncClient, models: InProcessInference) -> None:
    models.functions["vad"] = lambda inputs, call: {"probabilities": inputs["pcm"]}
    pcm = [0.125 * (number % 8) for number in range(200_000)]
    answer = await http.post("/v1/infer/vad", json={"pcm": pcm})
    assert answer.json() == {"probabilities": pcm}


async def test_more_json_than_is_taken_is_refused_with_both_numbers(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/intent", content=b'"' + b"x" * 2**22 + b'"')
    assert refusal(answer) == (413, "the body has 4194306 bytes, at most 4194304 are taken", None)


async def test_only_the_outputs_asked_for_come(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/intent?outputs=confidence,intent", json={"text": "call mai"})
    assert answer.json() == {"intent": "DIAL_PERSON", "confidence": 0.875}


@pytest.mark.parametrize("path", ["/v1/infer/intent/versions/1", "/v1/infer/intent?version=1"])
async def test_a_version_may_be_named(http: httpx.AsyncClient, models: InProcessInference, path: str) -> None:
    assert (await http.post(path, json={"text": "call mai"})).json() == CALL
    assert models.asked[-1].call.version == "1"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/infer/nobody", None),
        ("/v1/infer/intent/versions/2", None),
        ("/v1/infer/intent/versions/x", "version"),
        ("/v1/infer/intent?version=-1", "version"),
        ("/v1/infer/a%20b", "model"),
        ("/v1/infer/%2e%2e", "model"),
    ],
)
async def test_a_model_or_version_that_is_not_there_is_not_found(
    http: httpx.AsyncClient, path: str, param: str | None
) -> None:
    status, _, about = refusal(await http.post(path, json={"text": "x"}))
    assert (status, about) == (404, param)


REFUSED = {
    "no JSON": (b"{", "the body is not JSON", None),
    "not a number": (b'{"text": NaN}', "the body is not JSON", None),
    "lone surrogate": (rb'{"text": "\ud800"}', "the body is not JSON", None),
    "deep": (b"[" * 100_000, "the body is not JSON: recursion limit", None),
    "a text": (b'"call"', "neither an object of inputs by name nor a list", None),
    "no rows": (b"[]", "a list of 0 rows", None),
    "a row that is none": (b'[{"text": "a"}, 7]', "row 1: is not an object", None),
    "missing input": (b"{}", "input text is missing", "text"),
    "null for what is needed": (b'{"text": null}', "input text is missing", "text"),
    "unknown input": (b'{"colour": 1}', "input colour is not one of model intent: text", "colour"),
    "number for text": (b'[{"text": "a"}, {"text": 1}]', "row 1: input text holds 1, BYTES takes texts", "text"),
    "wrong shape": (b'{"text": ["a", "b"]}', "input text has shape [2], the model takes [1]", "text"),
}


@pytest.mark.parametrize(("body", "message", "param"), REFUSED.values(), ids=REFUSED)
async def test_what_does_not_fit_the_model_is_the_callers_mistake(
    http: httpx.AsyncClient, models: InProcessInference, body: bytes, message: str, param: str | None
) -> None:
    status, text, about = refusal(await http.post("/v1/infer/intent", content=body))
    assert (status, about) == (400, param)
    assert message in text
    assert models.asked == []


async def test_an_output_that_is_not_the_models_is_refused_with_those_that_are(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/intent?outputs=colour", json={"text": "x"})
    message = "output colour is not one of model intent: intent, confidence, intent_scores, logits"
    assert refusal(answer) == (400, message, "outputs")


async def test_too_many_rows_are_refused_with_both_numbers(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/intent", json=[{"text": "x"}] * 257)
    assert refusal(answer) == (413, "the body has 257 rows, at most 256 are taken in one call", None)


async def test_a_models_refusal_keeps_its_status(http: httpx.AsyncClient, models: InProcessInference) -> None:
    def busy(inputs: Arrays, call: CallOptions) -> Arrays:
        raise TooMuch("too many wait", 2.0)

    models.functions["intent"] = busy
    answer = await http.post("/v1/infer/intent", json={"text": "x"})
    assert refusal(answer) == (429, "model intent: too many wait", None)
    assert answer.headers["retry-after"] == "2"


async def test_a_decoupled_model_answers_by_events(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/infer/piper", json={"text": "One. Three.", "length_scale": None})
    assert [(name, len(document.get("pcm16", []))) for name, document in events(answer)] == [
        ("message", SENTENCE_SAMPLES),
        ("message", SENTENCE_SAMPLES),
        ("done", 0),
    ]
    assert events(answer)[0][1]["sample_rate"] == 22050
    nothing = await http.post("/v1/infer/piper", json={"text": ""})
    assert events(nothing) == [("done", {})]


async def test_events_and_whole_answers_come_as_the_caller_accepts(http: httpx.AsyncClient) -> None:
    whole = await http.post(
        "/v1/infer/piper?outputs=sample_rate", json={"text": "One. Three."}, headers={"accept": "application/json"}
    )
    assert whole.json() == [{"sample_rate": 22050}] * 2
    rows = [{"text": "call mai"}, {"text": "call mai"}]
    split = await http.post("/v1/infer/intent", json=rows, headers={"accept": "text/event-stream"})
    assert events(split) == [("message", CALL), ("message", CALL), ("done", {})]


async def test_a_stream_that_fails_says_so_in_its_last_event(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    async def failing(inputs: Arrays, call: CallOptions) -> Any:
        yield {"pcm16": np.zeros((1, 1), np.int16), "sample_rate": np.array([[1]], np.int32)}
        raise Unavailable("the voice is gone")

    models.functions["piper"] = failing
    answer = await http.post("/v1/infer/piper", json={"text": "One."})
    (first, _), (last, document) = events(answer)
    assert (first, last) == ("message", "error")
    assert document["error"]["message"] == "model piper: the voice is gone"


@pytest.mark.parametrize("body", [{"text": 1}, [{"text": "a"}, {"text": "b"}], {"text": "bad"}])
async def test_a_stream_that_is_refused_has_a_status(
    http: httpx.AsyncClient, models: InProcessInference, body: Any
) -> None:
    def refusing(inputs: Arrays, call: CallOptions) -> Any:
        raise InvalidRequest("not that")

    models.functions["piper"] = refusing
    answer = await http.post("/v1/infer/piper", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_who_leaves_a_stream_ends_it(gateway: Addresses, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(intent)
    async with httpx.AsyncClient(base_url=f"http://{gateway.http}", trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v1/infer/intent", json={"text": "x"}, timeout=0.5)
    await hold.left.wait()


async def test_who_may_not_call_a_model_learns_nothing_of_it(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    theirs = {"x-conch-tenant": "acme", "x-conch-models": "piper,vad"}
    for body in ({"text": "x"}, {"colour": 1}):
        answer = await http.post("/v1/infer/intent", json=body, headers=theirs)
        assert refusal(answer) == (403, "tenant acme may not call model intent", None)
    assert models.asked == []
    assert (await http.post("/v1/infer/piper", json={"text": "One."}, headers=theirs)).status_code == 200


def named(output: str) -> ModelSpec:
    return ModelSpec("made", (TensorSpec(output, DataType.BYTES, (1,)),), (TensorSpec("said", DataType.BYTES, (1,)),))


async def test_a_model_that_has_changed_is_asked_by_its_new_metadata(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    models.functions["made"] = lambda inputs, call: {"said": text_column(*inputs)}
    models.specs["made"] = named("before")
    assert (await http.post("/v1/infer/made", json={"before": "x"})).json() == {"said": "before"}
    models.specs["made"] = named("after")
    assert (await http.post("/v1/infer/made", json={"after": "x"})).json() == {"said": "after"}
    assert refusal(await http.post("/v1/infer/made", json={"before": "x"}))[1] == (
        "input before is not one of model made: after"
    )
