"""What callers do, and what is told of it."""

import asyncio

from benchmarks.load import Load, median, once_through


async def test_everything_is_called_once_by_as_many_callers_as_asked_for() -> None:
    called: list[int] = []
    running, most = 0, 0

    async def call(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        called.append(number)
        running -= 1

    load = await once_through(call, range(10), 3)
    assert (sorted(called), most) == (list(range(10)), 3)
    assert (load.concurrency, load.requests) == (3, 10)


def test_the_median_is_of_each_figure() -> None:
    rounds = [Load(4, 10, 1.0, 9.0, 100.0), Load(4, 12, 3.0, 5.0, 300.0), Load(4, 11, 2.0, 7.0, 200.0)]
    assert median(rounds) == Load(4, 11, 2.0, 7.0, 200.0)
