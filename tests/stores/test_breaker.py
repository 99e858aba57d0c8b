import pytest

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.stores.breaker import Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock) -> Breaker:
    return Breaker("Redis", failures=3, open_s=1.0, clock=clock)


def fails():
    raise Unavailable("away")


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable, match="away"):
            breaker.run(fails)


def test_failures_in_a_row_open_it_and_nobody_calls_any_more(breaker):
    fail(breaker, 3)
    assert breaker.is_open
    with pytest.raises(Unavailable, match="Redis failed 3 times in a row"):
        breaker.run(lambda: pytest.fail("called"))


def test_a_success_between_failures_keeps_it_closed(breaker):
    fail(breaker, 2)
    assert breaker.run(lambda: 7) == 7
    fail(breaker, 2)
    assert not breaker.is_open


def test_after_a_while_one_call_tries_alone_and_its_success_closes_it(breaker, clock):
    fail(breaker, 3)
    clock.now = 1.0

    def tries() -> str:
        with pytest.raises(Unavailable, match="left alone"):
            breaker.run(lambda: pytest.fail("a second one tried"))
        return "back"

    assert breaker.run(tries) == "back"
    assert not breaker.is_open


def test_a_try_that_fails_opens_it_anew(breaker, clock):
    fail(breaker, 3)
    clock.now = 1.0
    fail(breaker, 1)
    clock.now = 1.9
    with pytest.raises(Unavailable, match="left alone"):
        breaker.run(lambda: pytest.fail("called"))
    clock.now = 2.0
    assert breaker.run(lambda: 1) == 1


def test_a_caller_s_mistake_is_no_failure_of_the_store(breaker):
    def mistaken():
        raise InvalidRequest("mistaken")

    for _ in range(5):
        with pytest.raises(InvalidRequest):
            breaker.run(mistaken)
    assert not breaker.is_open


def test_a_try_that_ends_in_a_caller_s_mistake_lets_another_try(breaker, clock):
    fail(breaker, 3)
    clock.now = 1.0

    def mistaken():
        raise InvalidRequest("mistaken")

    with pytest.raises(InvalidRequest):
        breaker.run(mistaken)
    assert breaker.run(lambda: 1) == 1
