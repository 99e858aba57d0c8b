"""Audio of a tenant's day, without Triton and without Redis."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest, TooMuch, Unavailable
from conch.contracts.identity import Identity
from conch.models.base import Arrays
from conch.stores.memory_quota import MemoryQuota
from conch.stores.quota import Quota, Take, Taken
from conch.triton.batching import Answer, Call
from conch.triton.metering import ASK_AGAIN_S, Clock, Meter

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
TODAY = "quota:audio:acme:20260301"


class Hands:
    """Of a clock that the test moves."""

    def __init__(self) -> None:
        self.at = NOON

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.at, lambda: self.at)


class Away(Quota):
    def __init__(self) -> None:
        self.asked = 0
        self.back = False
        self.memory = MemoryQuota()

    def take(self, takes: Sequence[Take], keep_s: int) -> Sequence[Taken]:
        self.asked += 1
        if not self.back:
            raise Unavailable("Redis does not answer: timed out")
        return self.memory.take(takes, keep_s)

    def give_back(self, taken: Sequence[Take]) -> None:
        raise Unavailable("Redis does not answer: timed out")

    def close(self) -> None:
        pass


def call(seconds: float, limit_s: int | None = 10, tenant: str = "acme") -> Call:
    return Call({"pcm16": np.zeros((1, round(seconds * 1000)))}, Identity(tenant, audio_seconds_per_day=limit_s))


def audio_ms(inputs: Arrays) -> int:
    return inputs["pcm16"].shape[1]


def seconds_heard(calls: Sequence[Call]) -> list[Answer]:
    return [{"seconds": np.array([audio_ms(one.inputs) / 1000])} for one in calls]


def run(meter: Meter, *calls: Call) -> list[float | TooMuch]:
    answers = meter.run(calls, audio_ms, seconds_heard)
    return [answer if isinstance(answer, TooMuch) else float(answer["seconds"].item()) for answer in answers]  # type: ignore[index]


@pytest.fixture
def uncounted() -> list[int]:
    return []


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def quota() -> MemoryQuota:
    return MemoryQuota()


@pytest.fixture
def meter(quota: MemoryQuota, uncounted: list[int], hands: Hands) -> Meter:
    return Meter(quota, uncounted.append, hands.clock)


def test_a_call_without_a_limit_is_not_counted_and_asks_nobody(uncounted: list[int], hands: Hands) -> None:
    store = Away()
    assert run(Meter(store, uncounted.append, hands.clock), call(4, limit_s=None), call(0)) == [4.0, 0.0]
    assert (store.asked, uncounted) == (0, [])


def test_a_tenant_is_heard_until_its_day_is_used_up(meter: Meter, quota: MemoryQuota) -> None:
    assert run(meter, call(4), call(6)) == [4.0, 6.0]
    (refusal,) = run(meter, call(0.5))
    assert isinstance(refusal, TooMuch)
    assert refusal.message == (
        "tenant acme has sent 10.0 of 10 s of audio on this day in UTC, and the call has 0.5 s of audio"
    )
    assert refusal.retry_after_s == 12 * 3600
    assert quota.used == {TODAY: 10_000}


def test_in_a_batch_a_refused_call_does_not_take_its_neighbours_place(meter: Meter) -> None:
    first, refused, last, other = run(meter, call(8), call(4), call(2), call(9, tenant="beta"))
    assert (first, last, other) == (8.0, 2.0, 9.0)
    assert isinstance(refused, TooMuch)


def test_at_midnight_in_utc_a_new_day_begins(meter: Meter, quota: MemoryQuota, hands: Hands) -> None:
    run(meter, call(10))
    hands.at += 12 * 3600 - 1
    (refusal,) = run(meter, call(1))
    assert isinstance(refusal, TooMuch)
    assert refusal.retry_after_s == 1
    hands.at += 1
    assert run(meter, call(1)) == [1.0]
    assert quota.used["quota:audio:acme:20260302"] == 1000


def test_for_a_call_that_is_longer_than_a_day_allows_waiting_does_not_help(meter: Meter) -> None:
    (refusal,) = run(meter, call(11))
    assert isinstance(refusal, TooMuch)
    assert refusal.message == "the call has 11.0 s of audio, tenant acme may send 10 s a day"
    assert refusal.retry_after_s is None


def test_what_the_model_refuses_is_given_back(meter: Meter, quota: MemoryQuota) -> None:
    def refuses_the_second(calls: Sequence[Call]) -> list[Answer]:
        return [{}, InvalidRequest("-1 is not taken"), *({} for _ in calls[2:])]

    meter.run([call(1), call(2), call(3)], audio_ms, refuses_the_second)
    assert quota.used == {TODAY: 4000}


def test_without_the_store_everybody_is_heard_and_counted_as_uncounted(
    uncounted: list[int], hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    store = Away()
    meter = Meter(store, uncounted.append, hands.clock)
    with caplog.at_level(logging.WARNING):
        assert run(meter, call(40), call(5, limit_s=None)) == [40.0, 5.0]
        assert run(meter, call(1), call(1)) == [1.0, 1.0]
    assert uncounted == [1, 2]
    assert caplog.messages == [
        "audio is not counted, and limits of a day do not hold: Redis does not answer: timed out"
    ]


def test_a_store_that_did_not_answer_is_left_alone_for_a_while_and_then_asked_again(
    uncounted: list[int], hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    store = Away()
    meter = Meter(store, uncounted.append, hands.clock)
    for _ in range(10):
        run(meter, call(1))
    assert store.asked == 1
    hands.at += ASK_AGAIN_S
    run(meter, call(1))
    assert store.asked == 2
    store.back = True
    hands.at += ASK_AGAIN_S
    with caplog.at_level(logging.WARNING):
        assert [type(answer) for answer in run(meter, call(7), call(7))] == [float, TooMuch]
    assert caplog.messages[-1] == "audio is counted again"
    assert len(uncounted) == 11


def test_what_cannot_be_given_back_fails_nobody(uncounted: list[int], hands: Hands) -> None:
    store = Away()
    store.back = True
    error = InvalidRequest("-1 is not taken")
    meter = Meter(store, uncounted.append, hands.clock)
    assert meter.run([call(1)], audio_ms, lambda calls: [error]) == [error]
    assert store.memory.used == {TODAY: 1000}


def test_a_server_without_a_store_hears_everybody(
    uncounted: list[int], hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert run(Meter(None, uncounted.append, hands.clock), call(40)) == [40.0]
    assert uncounted == [1]
    assert "this server has no Redis" in caplog.text
