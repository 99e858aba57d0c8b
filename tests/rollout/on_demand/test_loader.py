"""The loader, with a Triton in memory."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conch.contracts.errors import TooMuch, Unavailable
from conch.contracts.on_demand import says_resting
from conch.rollout.lock import holding
from conch.rollout.on_demand.loader import LEASE_S, SETTLE_S, SLACK_S
from tests.rollout.on_demand.conftest import Site, write_ensemble, write_model

ALL = 'models = ["a", "b", "c"]'


async def test_all_who_wait_for_a_model_wait_for_one_load(site):
    one = site(ALL)
    async with one.loader:
        assert one.loader.resting() == {"a", "b", "c"}
        leases = await one.run(*(one.loader.ask("a") for _ in range(20)))
    assert leases == [LEASE_S] * 20
    assert one.triton.loads == ["a"]
    assert one.told() == [("loaded on demand", "a")]
    assert one.loader.resting() == {"b", "c"}
    assert one.folders.on_demand.read() == {"a": True, "b": False, "c": False}


async def test_a_model_that_is_not_on_demand_is_never_loaded(site):
    one = site('models = ["a"]')
    async with one.loader:
        assert await one.run(one.loader.ask("b"), one.loader.ask("../etc")) == [0.0, 0.0]
    assert one.triton.loads == []


async def test_the_call_after_the_last_that_may_wait_is_refused_and_the_others_are_not(site):
    one = site(f"{ALL}\nwaiting = 3")
    async with one.loader:
        *waited, refused = await one.run(*(one.loader.ask("a") for _ in range(4)))
        (other,) = await one.run(one.loader.ask("b"))
    assert waited == [LEASE_S] * 3
    assert isinstance(refused, TooMuch)
    assert refused.message == "model a: 3 calls wait for its load, which is the most"
    assert other == LEASE_S


async def test_callers_who_leave_free_their_places_and_the_load_goes_on(site):
    one = site(f"{ALL}\nwaiting = 1")
    async with one.loader:
        leaving = asyncio.create_task(one.loader.ask("a"))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert await one.run(one.loader.ask("a")) == [LEASE_S]
    assert one.triton.loads == ["a"]


async def test_a_load_that_fails_is_told_to_all_who_wait_and_tried_again_ever_more_seldom(site):
    one = site(ALL)
    one.triton.refuses["a"] = "its weights are gone"
    async with one.loader:
        told = await one.run(*(one.loader.ask("a") for _ in range(3)))
        assert [str(error) for error in told] == ["model a: its weights are gone"] * 3
        assert isinstance(told[0], Unavailable)
        await one.run(one.loader.ask("a"))
        assert one.triton.loads == ["a"]
        assert await one.run(one.loader.ask("b")) == [LEASE_S]

        one.time.at += 60
        one.triton.refuses.clear()
        assert await one.run(one.loader.ask("a")) == [LEASE_S]
    assert one.told() == [("load failed", "a"), ("loaded on demand", "b"), ("loaded on demand", "a")]


async def test_a_question_of_health_loads_nothing_and_is_no_use(site):
    one = site(f"{ALL}\nmemory_mib = 20")
    async with one.loader:
        (told,) = await one.run(one.loader.ask("a", probe=True))
        assert says_resting(str(told))
        await one.run(one.loader.ask("a"))
        one.time.at += 10
        await one.run(one.loader.ask("b"))
        one.time.at += 10
        assert await one.run(one.loader.ask("a", probe=True)) == [LEASE_S]
        await one.run(one.loader.ask("c"))
    assert one.told()[2:] == [("unloaded on demand", "a"), ("loaded on demand", "c")]


async def test_the_one_called_longest_ago_leaves_when_there_is_no_room(site):
    one = site(f"{ALL}\nmemory_mib = 25")
    async with one.loader:
        for model in ("a", "b", "a", "c"):
            await one.run(one.loader.ask(model))
            one.time.at += 1
    assert one.told() == [
        ("loaded on demand", "a"),
        ("loaded on demand", "b"),
        ("unloaded on demand", "b"),
        ("loaded on demand", "c"),
    ]
    assert sorted(one.triton.there) == ["a", "c"]


async def test_a_model_that_fits_beside_none_is_refused_before_it_is_loaded_again(site):
    one = site(f"{ALL}\nmemory_mib = 25")
    one.memory.sizes["a"], one.memory.files["a"] = 30, 1
    async with one.loader:
        (told,) = await one.run(one.loader.ask("a"))
        assert str(told) == "model a: it needs 30.0 MiB, and on_demand.memory_mib is 25"
        one.time.at += 100
        await one.run(one.loader.ask("a"))
        assert one.triton.loads == ["a"]
        assert one.triton.there == {}

        one.say(f"{ALL}\nmemory_mib = 50")
        await one.run(one.loader.step())
        assert await one.run(one.loader.ask("a")) == [LEASE_S]


async def test_who_is_larger_than_the_files_make_room_afterwards(site):
    one = site(f"{ALL}\nmemory_mib = 25")
    one.memory.sizes["b"], one.memory.files["b"] = 20, 1
    async with one.loader:
        await one.run(one.loader.ask("a"))
        await one.run(one.loader.ask("b"))
        assert sorted(one.triton.there) == ["a", "b"]
        await one.run(one.loader.step())
    assert sorted(one.triton.there) == ["b"]


async def test_idle_models_stay_unless_a_time_is_set(site):
    one = site(ALL)
    async with one.loader:
        await one.run(one.loader.ask("a"))
        one.time.at += 10_000
        await one.run(one.loader.step())
        assert sorted(one.triton.there) == ["a"]
        one.say(f"{ALL}\nidle_s = 60")
        await one.run(one.loader.step())
    assert one.triton.there == {}


async def test_what_somebody_else_has_loaded_or_ended_is_seen(site):
    one = site(f"{ALL}\nmemory_mib = 15")
    async with one.loader:
        one.triton.there = {"a": [2], "b": [1]}
        began = one.time.at
        await one.run(one.loader.step())
        assert sorted(one.triton.there) == ["b"]  # over the bound; calls of before had their time
        assert one.time.at - began >= SETTLE_S
        assert one.loader.resting() == {"a", "c"}

        one.triton.away = True
        await one.run(one.loader.step())
        assert one.loader.resting() == {"a", "b", "c"}
        (told,) = await one.run(one.loader.ask("b"))
        assert str(told) == "model b: Triton is away"

        one.triton.away = False
        assert await one.run(one.loader.ask("b")) == [LEASE_S]
    assert one.triton.loads == []


async def test_an_ensemble_is_loaded_after_its_steps_and_unloaded_before_them(site, tmp_path):
    write_model(tmp_path, "d")
    write_ensemble(tmp_path, "pair", "c", "d")
    one = site('models = ["a", "pair"]\nmemory_mib = 30')
    async with one.loader:
        await one.run(one.loader.ask("d"), one.loader.ask("pair"))
        assert one.triton.loads == ["c", "d", "pair"]
        await one.run(one.loader.ask("a"))
    assert sorted(one.triton.there) == ["a"]


async def test_a_publisher_is_waited_for(site):
    one = site(ALL)
    async with one.loader:
        asking = asyncio.create_task(one.loader.ask("a"))
        with holding(one.folders.lock):
            await one.run(one.time.sleep(30))
            assert one.triton.loads == []
        assert await one.run(asking) == [LEASE_S]


class Worker:
    """One of the edge's: it passes calls by what the loader said, and a call takes its time to Triton."""

    def __init__(self, one: Site) -> None:
        self._one = one
        self._good: dict[str, float] = {}

    async def call(self, model: str, at_s: float, way_s: float) -> None:
        time = self._one.time
        await time.sleep(at_s)
        asked = time.at
        if asked >= self._good.get(model, 0.0):
            good_s = await self._one.loader.ask(model)
            self._good[model] = time.at + good_s
        await time.sleep(way_s)
        assert model in self._one.triton.there, f"a call of {model} met no model"


async def keep_stepping(one: Site) -> None:
    while True:
        await one.loader.step()
        await one.time.sleep(0.5)
        taken = sum(one.memory.sizes.get(model, 10) for model in one.triton.there)
        assert taken <= 20, f"{sorted(one.triton.there)} take {taken} MiB"


calls = st.tuples(
    st.sampled_from("abc"),
    st.floats(0, 30).map(lambda seconds: round(seconds, 2)),
    st.floats(0, SLACK_S - 0.1).map(lambda seconds: round(seconds, 2)),
    st.integers(0, 1),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(calls, min_size=2, max_size=40), load_s=st.floats(0.1, 4.0), room=st.sampled_from((10, 20)))
def test_no_call_meets_a_model_that_is_not_there_whatever_comes_when(tmp_path_factory, calls, load_s, room):
    root = tmp_path_factory.mktemp("site")
    for name in "abc":
        write_model(root, name)
    one = Site(root, f"{ALL}\nmemory_mib = {room}")
    one.triton.load_s = load_s

    async def play() -> None:
        async with one.loader:
            workers = Worker(one), Worker(one)
            stepping = asyncio.create_task(keep_stepping(one))
            tasks = [asyncio.create_task(workers[worker].call(*call)) for *call, worker in calls]
            await one.time.until_done(tasks)
            assert not stepping.done(), stepping.exception()
            stepping.cancel()

    asyncio.run(play())
