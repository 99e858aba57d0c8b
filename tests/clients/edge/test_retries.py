"""What is tried again, what is not, and how long a client waits for it."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from conch import Internal, InvalidRequest, Retries, TooMuch, Unavailable
from conch.clients.edge.retries import Attempts, Budget
from conch.contracts.errors import ConchError
from conch.contracts.voice import AudioInfo
from tests.clients.edge.conftest import Failure, Scripted

AWAY = Failure(grpc.StatusCode.UNAVAILABLE, "no server is well")
QUICK = Retries(first_wait_s=0.01)


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    return connect(retries=QUICK)


def test_a_server_that_is_away_twice_answers_the_third_time(client: Any, scripted: Scripted) -> None:
    scripted.failures = [AWAY, AWAY]
    assert client.understand("hello").text == "hello"
    assert scripted.calls == 3


def test_the_attempts_of_a_call_are_counted(client: Any, scripted: Scripted) -> None:
    scripted.failures = [AWAY] * 5
    with pytest.raises(Unavailable, match="no server is well"):
        client.understand("hello")
    assert scripted.calls == 3


def test_a_request_larger_than_grpc_would_keep_is_tried_again(client: Any, scripted: Scripted) -> None:
    scripted.failures = [AWAY]
    assert client.understand_audio(bytes(2**20)).text == "spoken"


def test_a_stream_is_tried_again_until_it_has_begun(client: Any, scripted: Scripted) -> None:
    scripted.failures = [AWAY]
    assert client.transcribe(b"12345").text == "all"
    assert scripted.calls == 2
    events = client.transcribe_stream(b"", prompt="break")
    assert next(events) == AudioInfo(2.0, 8000, 2)
    with pytest.raises(Unavailable, match="half-way"):
        next(events)
    assert scripted.calls == 3


def test_an_inference_is_tried_again_only_if_its_caller_says_that_it_may(client: Any, scripted: Scripted) -> None:
    inputs = {"n": np.ones((1, 1), np.int32)}
    scripted.failures = [AWAY]
    with pytest.raises(Unavailable):
        client.infer("counter", inputs)
    scripted.failures = [AWAY]
    assert client.infer("counter", inputs, idempotent=True)["n_twice"].tolist() == [[1], [1]]
    scripted.failures = [AWAY]
    with pytest.raises(Unavailable):
        list(client.stream("counter", inputs, parameters={"times": 1}))
    scripted.failures = [AWAY]
    assert len(list(client.stream("counter", inputs, parameters={"times": 1}, idempotent=True))) == 1


def test_a_question_of_readiness_is_asked_once(client: Any, scripted: Scripted) -> None:
    scripted.failures = [AWAY]
    with pytest.raises(Unavailable):
        client.ready("intent", version="2")


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL], ids=str)
def test_what_would_fail_again_is_not_tried_again(client: Any, scripted: Scripted, code: grpc.StatusCode) -> None:
    scripted.failures = [Failure(code)]
    with pytest.raises((InvalidRequest, Internal)):
        client.understand("hello")
    assert scripted.calls == 1


def test_a_refusal_that_names_a_time_is_tried_again_then(client: Any, scripted: Scripted) -> None:
    scripted.failures = [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after="0.05")]
    assert client.understand("hello").text == "hello"
    assert scripted.calls == 2


@pytest.mark.parametrize(
    ("retry_after", "told_s"),
    [
        pytest.param(None, None, id="too much for good"),
        pytest.param("60", 60.0, id="longer than we wait"),
        pytest.param("Wed, 21 Oct 2026 07:28:00 GMT", None, id="a date"),
        pytest.param("-1", None, id="the past"),
    ],
)
def test_other_refusals_are_raised_at_once(
    client: Any, scripted: Scripted, retry_after: str | None, told_s: float | None
) -> None:
    scripted.failures = [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "64 calls are running", retry_after)]
    with pytest.raises(TooMuch, match="64 calls") as caught:
        client.understand("hello")
    assert caught.value.retry_after_s == told_s
    assert scripted.calls == 1


def test_an_empty_budget_ends_retries_of_all_calls(connect: Callable[..., Any], scripted: Scripted) -> None:
    client = connect(retries=Retries(first_wait_s=0.01, reserve=2))
    scripted.failures = [AWAY] * 20
    for _ in range(10):
        with pytest.raises(Unavailable):
            client.understand("hello")
    assert scripted.calls == 12


def test_calls_earn_a_retry_in_ten() -> None:
    budget = Budget(Retries(share=0.1, reserve=1))
    assert budget.spend()
    assert not budget.spend()
    for _ in range(10):
        budget.earn()
    assert budget.spend()
    assert not budget.spend()


def attempts(retries: Retries, timeout_s: float, drawn: float = 1.0) -> Attempts:
    return Attempts(retries, Budget(retries), timeout_s, idempotent=True, clock=lambda: 100.0, draw=lambda: drawn)


@pytest.mark.parametrize(
    ("error", "waits_s"),
    [
        pytest.param(Unavailable("away"), [1.0, 2.0, 4.0, 5.0, 5.0], id="doubling to a bound"),
        pytest.param(TooMuch("full", 3.0), [4.0, 5.0, 7.0, 8.0, 8.0], id="after what the server asks for"),
    ],
)
def test_waits_grow(error: ConchError, waits_s: list[float]) -> None:
    call = attempts(Retries(attempts=6, first_wait_s=1.0, longest_wait_s=5.0), timeout_s=60.0)
    assert [call.pause_s(error) for _ in waits_s] == waits_s


def test_waits_are_drawn_so_that_callers_do_not_come_back_together() -> None:
    assert attempts(Retries(first_wait_s=1.0), timeout_s=60.0, drawn=0.25).pause_s(Unavailable("away")) == 0.25


def test_nobody_waits_beyond_the_deadline() -> None:
    error = TooMuch("full", 3.0)
    with pytest.raises(TooMuch) as caught:
        attempts(Retries(), timeout_s=3.0).pause_s(error)
    assert caught.value is error
