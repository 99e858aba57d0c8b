"""One behaviour for both kinds of Inference: a real Triton's, and the fake that stands in for it."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conch.clients.inference import CallOptions, IndexedModel, Inference, ModelNotFound, text_column
from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.contracts.errors import (
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Unavailable,
)


async def numbers(inference: Inference, text: str) -> list[int]:
    return [int(answer["number"][0, 0]) async for answer in inference.stream("counter", {"text": text_column(text)})]


async def test_arrays_and_text_come_back_in_their_types_and_shapes(inference: Inference) -> None:
    values = np.array([[1.5, -2.0, 0.0], [0.25, 1e-3, 4.0]], np.float32)
    answer = await inference.infer("echo", {"text": text_column("xin chào", "日本"), "values": values})
    assert answer["said"].tolist() == [["xin chào"], ["日本"]]
    assert answer["doubled"].dtype == np.float32
    np.testing.assert_array_equal(answer["doubled"], values * 2)


async def test_numpys_own_text_is_text_too(inference: Inference) -> None:
    answer = await inference.infer("echo", {"text": np.array([["plain"]])})
    assert answer["said"].tolist() == [["plain"]]


async def test_empty_text_and_empty_arrays_survive(inference: Inference) -> None:
    answer = await inference.infer("echo", {"text": text_column(""), "values": np.zeros((1, 0), np.float32)})
    assert answer["said"].tolist() == [[""]]
    assert answer["doubled"].shape == (1, 0)


async def test_views_and_other_byte_orders_arrive_as_their_values(inference: Inference) -> None:
    values = np.arange(8, dtype=np.float32).reshape(4, 2).T[::-1]
    answer = await inference.infer("echo", {"text": text_column("a", "b"), "values": values})
    np.testing.assert_array_equal(answer["doubled"], values * 2)


async def test_only_the_outputs_asked_for_come(inference: Inference) -> None:
    answer = await inference.infer("echo", {"text": text_column("x")}, outputs=["said"])
    assert list(answer) == ["said"]


async def test_a_model_is_told_whose_call_it_is(inference: Inference) -> None:
    call = CallOptions(request_id="r-1", tenant="factory", traceparent="00-ab-cd-01")
    answer = await inference.infer("echo", {"text": text_column("who")}, call=call)
    assert answer["said"].tolist() == [["factory r-1 00-ab-cd-01"]]


async def test_eight_megabytes_go_there_and_back(inference: Inference) -> None:
    values = np.arange(2 * 2**20, dtype=np.float32)[np.newaxis]
    answer = await inference.infer("echo", {"text": text_column("x"), "values": values})
    np.testing.assert_array_equal(answer["doubled"], values * 2)


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({}, id="no input"),
        pytest.param({"values": np.zeros((1, 2), np.float32)}, id="missing input"),
        pytest.param({"text": text_column("x"), "colour": np.zeros((1, 1), np.float32)}, id="unknown input"),
        pytest.param({"text": text_column("x"), "values": np.zeros((1, 2), np.int32)}, id="wrong type"),
        pytest.param({"text": text_column("x"), "values": text_column("y")}, id="text for numbers"),
        pytest.param({"text": np.zeros((1, 1), np.float32)}, id="numbers for text"),
        pytest.param({"text": text_column("x"), "values": np.zeros(2, np.float32)}, id="no batch dimension"),
        pytest.param({"text": text_column("x"), "values": np.zeros((1, 2, 2), np.float32)}, id="too many dimensions"),
        pytest.param({"text": text_column("x", "y").reshape(1, 2)}, id="wrong width"),
        pytest.param({"text": text_column("x", "y"), "values": np.zeros((3, 1), np.float32)}, id="unequal batches"),
        pytest.param({"text": text_column()}, id="empty batch"),
        pytest.param({"text": text_column(*"12345")}, id="more rows than a batch has"),
        pytest.param({"text": text_column("x"), "values": np.array([[np.nan]], np.float32)}, id="NaN"),
    ],
)
async def test_a_request_that_breaks_the_contract_is_the_callers_mistake(
    inference: Inference, inputs: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await inference.infer("echo", inputs)


async def test_an_output_nobody_makes_is_the_callers_mistake(inference: Inference) -> None:
    with pytest.raises(InvalidRequest, match="colour"):
        await inference.infer("echo", {"text": text_column("x")}, outputs=["colour"])


async def test_an_unknown_model_is_named(inference: Inference) -> None:
    with pytest.raises(ModelNotFound, match="nobody"):
        await inference.infer("nobody", {"text": text_column("x")})
    with pytest.raises(ModelNotFound, match="nobody"):
        await anext(aiter(inference.stream("nobody", {"text": text_column("x")})))


async def test_ready_knows_its_models(inference: Inference) -> None:
    assert await inference.ready("echo")
    assert await inference.ready("echo", "1")
    assert not await inference.ready("nobody")
    assert not await inference.ready("echo", "2")


async def test_the_index_tells_what_is_in_the_repository(inference: Inference) -> None:
    index = sorted(await inference.index(), key=lambda one: one.name)
    assert index == [IndexedModel("counter", "1", ready=True), IndexedModel("echo", "1", ready=True)]


@pytest.mark.parametrize("version", ["", "1"])
async def test_metadata_tells_how_a_model_is_asked(inference: Inference, version: str) -> None:
    assert replace(await inference.metadata("echo", version), example="") == ModelMetadata(
        "echo",
        ("1",),
        (TensorMetadata("text", "BYTES", (1,)), TensorMetadata("values", "FP32", (-1,), optional=True)),
        (TensorMetadata("said", "BYTES", (1,)), TensorMetadata("doubled", "FP32", (-1,))),
        max_batch_size=4,
    )
    counter = await inference.metadata("counter", version)
    assert (counter.decoupled, counter.max_batch_size) == (True, 1)
    assert counter.shape(counter.outputs[0]) == (-1, 1)


async def test_metadata_of_nobody_is_not_found(inference: Inference) -> None:
    with pytest.raises(ModelNotFound, match="nobody"):
        await inference.metadata("nobody")
    with pytest.raises(ModelNotFound, match="version 2"):
        await inference.metadata("echo", "2")


async def test_a_call_may_mean_one_version(inference: Inference) -> None:
    inputs = {"text": text_column("hello")}
    answer = await inference.infer("echo", inputs, call=CallOptions(version="1"))
    assert answer["said"].tolist() == [["hello"]]
    with pytest.raises(ModelNotFound, match="version 2"):
        await inference.infer("echo", inputs, call=CallOptions(version="2"))


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (InvalidRequest, InvalidRequest),
        (NotFound, NotFound),
        (Unavailable, Unavailable),
    ],
    ids=lambda kind: kind.__name__,
)
async def test_what_a_model_refuses_keeps_its_class_and_names_the_model(
    inference: Inference, raised: type[ConchError], seen: type[ConchError]
) -> None:
    with pytest.raises(seen, match=r"^model echo: because you asked$") as caught:
        await inference.infer("echo", {"text": text_column(f"raise {raised.__name__}")})
    assert type(caught.value) is seen


async def test_a_models_bug_tells_nothing_but_that(inference: Inference) -> None:
    with pytest.raises(Internal) as caught:
        await inference.infer("echo", {"text": text_column("raise ZeroDivisionError")})
    assert caught.value.message == "model echo: internal error"


async def test_a_deadline_that_has_passed_asks_nobody(inference: Inference) -> None:
    with pytest.raises(DeadlineExceeded):
        await inference.infer("echo", {"text": text_column("x")}, call=CallOptions(deadline_s=0))


async def test_a_decoupled_model_streams_its_answers_in_order(inference: Inference) -> None:
    assert await numbers(inference, "5") == [0, 1, 2, 3, 4]


async def test_a_stream_may_be_empty(inference: Inference) -> None:
    assert await numbers(inference, "0") == []


@pytest.mark.parametrize("kind", [InvalidRequest, NotFound, Unavailable], ids=lambda kind: kind.__name__)
async def test_a_stream_that_fails_gives_what_it_had_and_then_its_error(
    inference: Inference, kind: type[ConchError]
) -> None:
    stream = aiter(inference.stream("counter", {"text": text_column(f"2 {kind.__name__}")}))
    assert (await anext(stream))["number"].tolist() == [[0]]
    assert (await anext(stream))["number"].tolist() == [[1]]
    with pytest.raises(kind, match=r"^model counter: because you asked$"):
        await anext(stream)


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({}, id="no input"),
        pytest.param({"text": text_column("1"), "colour": text_column("red")}, id="unknown input"),
        pytest.param({"text": np.zeros((1, 1), np.float32)}, id="numbers for text"),
        pytest.param({"text": text_column("1", "2").reshape(1, 2)}, id="wrong width"),
    ],
)
async def test_a_stream_that_breaks_the_contract_is_the_callers_mistake(
    inference: Inference, inputs: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await anext(aiter(inference.stream("counter", inputs)))


async def test_a_stream_may_be_left_early_and_the_next_one_works(inference: Inference) -> None:
    stream: Any = inference.stream("counter", {"text": text_column("500 slowly")})
    async with contextlib.aclosing(stream):
        assert (await anext(stream))["number"].tolist() == [[0]]
    assert await numbers(inference, "2") == [0, 1]


async def test_calls_run_side_by_side(inference: Inference) -> None:
    answers = await asyncio.gather(
        *(inference.infer("echo", {"text": text_column(f"call {number}")}) for number in range(6))
    )
    assert [answer["said"][0, 0] for answer in answers] == [f"call {number}" for number in range(6)]


# The permissions a model may refuse by have no code of their own between a model and Triton's callers.
async def test_a_permission_refused_by_a_model_is_some_refusal(inference: Inference) -> None:
    with pytest.raises((InvalidRequest, PermissionDenied), match="because you asked"):
        await inference.infer("echo", {"text": text_column("raise PermissionDenied")})
