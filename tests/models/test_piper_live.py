"""Piper in a real tritonserver: sentences stream, refusals name the model, a caller who leaves stops the voice."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from conch.stack.serving import Server
from tests.settling import becomes

Answers = queue.Queue[tuple[Any, InferenceServerException | None]]


@pytest.fixture(scope="module")
def server(serving: Callable[..., Server]) -> Server:
    return serving("piper")


@contextmanager
def streaming(server: Server) -> Iterator[tuple[InferenceServerClient, Answers]]:
    answers: Answers = queue.Queue()
    with InferenceServerClient(server.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        try:
            yield client, answers
        finally:
            client.stop_stream(cancel_requests=True)


def inputs(text: str, length_scale: float | None = None) -> list[InferInput]:
    tensor = InferInput("text", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=object))
    if length_scale is None:
        return [tensor]
    scale = InferInput("length_scale", [1, 1], "FP32")
    scale.set_data_from_numpy(np.array([[length_scale]], np.float32))
    return [tensor, scale]


def test_sentences_arrive_one_by_one_and_the_last_answer_is_marked(server: Server) -> None:
    with streaming(server) as (client, answers):
        client.async_stream_infer(
            "piper", inputs("The crew is on its way. It takes five minutes."), enable_empty_final_response=True
        )
        sentences = []
        while True:
            result, error = answers.get(timeout=60)
            assert error is None
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
            sentences.append((result.as_numpy("pcm16"), result.as_numpy("sample_rate")))
    assert len(sentences) == 2
    for pcm16, sample_rate in sentences:
        assert pcm16.dtype == np.int16
        assert pcm16.shape[0] == 1
        assert sample_rate.tolist() == [[22_050]]
        assert pcm16.shape[1] > 10_000


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (inputs(""), "model piper: InvalidRequest: text is empty"),
        (
            inputs("Hello.", length_scale=9.0),
            "model piper: InvalidRequest: length_scale is 9, it must be between 0.25 and 4",
        ),
        (inputs("Hello.", length_scale=float("nan")), "NaN"),
        (inputs("a" * 1_000_000), "text has 1000000 characters, at most 4000"),
    ],
    ids=["empty text", "scale out of bounds", "scale not a number", "a megabyte"],
)
def test_a_refusal_says_why_and_the_next_call_is_answered(
    server: Server, tensors: list[InferInput], message: str
) -> None:
    with streaming(server) as (client, answers):
        client.async_stream_infer("piper", tensors)
        result, error = answers.get(timeout=60)
        assert result is None
        assert message in str(error)
        client.async_stream_infer("piper", inputs("Hello."))
        while True:
            result, error = answers.get(timeout=60)
            if error is None and result.as_numpy("pcm16") is not None:
                break


def test_a_caller_who_leaves_stops_the_voice_between_sentences(server: Server) -> None:
    with streaming(server) as (client, answers):
        client.async_stream_infer("piper", inputs("This is one of many sentences. " * 100))
        answers.get(timeout=60)
    with streaming(server) as (client, answers):
        # One instance speaks at a time: this waits for the hundred sentences unless they were stopped.
        client.async_stream_infer("piper", inputs("Next."))
        answers.get(timeout=60)

    def cancelled() -> int:
        page = httpx.get(f"http://{server.metrics}/metrics").text.splitlines()
        return sum(line.startswith("conch_model_refused_total") and 'reason="Cancelled"' in line for line in page)

    assert becomes(cancelled, 1) == 1
