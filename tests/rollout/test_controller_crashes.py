"""The controller may end after any of its steps: the next one goes on, and callers are answered all the time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from conch.rollout.controller import Controller
from conch.rollout.orders import Deed
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.servers import ServerState, without_calls
from tests.rollout.conftest import CHECKOUT, state_folder
from tests.rollout.crash_points import Crash, CrashPoints
from tests.rollout.test_controller import Site

STEPS_AT_MOST = 60
CANDIDATE = "intent--candidate-7"


class Stack(Site):
    """Two servers of a published model, whoever keeps them, and a controller that is followed by another."""

    def __init__(self, root, die_at):
        super().__init__(state_folder(root), 2)
        self.points = CrashPoints(self.look, die_at)
        self.crashes = 0
        self.restarts = []

    def look(self):
        """Whoever gets calls answers them, with a version that has been live."""
        kept_away = without_calls(self.folders.servers.read())
        called = [
            server
            for address, server in zip(self.addresses, self.servers, strict=True)
            if address not in kept_away and not server.away
        ]
        assert called
        for server in called:
            assert server.served["intent"] == [1, 2]

    async def begin(self):
        for server in self.servers:
            server.restart()
        await self.controller.step()
        new = shutil.copytree(CHECKOUT / "1", self.folders.root / "new")
        await self.publisher.publish(Publication("intent", new))
        self.take_over()

    def take_over(self):
        servers = dict(zip(self.addresses, self.servers, strict=True))
        self.controller = Controller(self.folders, servers, clock=self.clock, reached=self.points.reached)

    async def lives_on(self):
        """Until nothing is left to do."""
        for _ in range(STEPS_AT_MOST):
            try:
                await self.controller.step()
            except Crash:
                self.crashes += 1
                self.take_over()
            self.keep()
            self.clock.advance(1.0)

    def keep(self):
        """What whoever keeps a server does."""
        for address, server in zip(self.addresses, self.servers, strict=True):
            server.away = False
            order = self.folders.orders.take(address.name)
            if order is not None and order.deed is Deed.RESTART:
                assert address in without_calls(self.folders.servers.read())
                self.restarts.append(address.name)
                server.hanging.clear()
                server.restart()
                server.away = True  # at the next look
            elif order is not None and order.model in self.stubs:
                server.hanging.discard(order.model)

    stubs: frozenset[str] = frozenset()
    """Of models that load for ever, those whose load ends with its stub."""


def comes_back_with_something_else(stack: Stack) -> None:
    """What was live before, a candidate that nobody tries out any more, and a folder of one."""
    first, second = stack.controller.statuses
    stack.folders.servers.write([first, replace(second, state=ServerState.AWAY, reason="connection refused")])
    stack.take_over()
    stack.servers[1].served = {"intent": [1], CANDIDATE: [7]}
    (stack.folders.live_models / CANDIDATE).mkdir()


def does_not_load_at_first(stack: Stack) -> None:
    comes_back_with_something_else(stack)
    refuses = stack.servers[1].refuses
    refuses.add("intent")
    load = stack.servers[1].load

    async def second_try(model, deadline_s):
        try:
            await load(model, deadline_s)
        finally:
            refuses.clear()

    stack.servers[1].load = second_try


def wedged_by_what_has_a_stub(stack: Stack) -> None:
    stack.stubs = frozenset({CANDIDATE})
    wedged_by_what_has_none(stack)


def wedged_by_what_has_none(stack: Stack) -> None:
    stack.servers[1].hanging.add(CANDIDATE)
    (stack.folders.live_models / CANDIDATE).mkdir()


STORIES: dict[Callable[[Stack], None], set[str]] = {
    comes_back_with_something_else: {
        "told",
        "unloaded",
        "unloaded, and journaled",
        "loaded",
        "loaded, and journaled",
        "server converged, and journaled",
        "left over removed",
    },
    does_not_load_at_first: {"load failed, and journaled", "loaded, and journaled", "server converged, and journaled"},
    wedged_by_what_has_a_stub: {"end of stubs ordered", "stubs ended, and journaled", "left over removed"},
    wedged_by_what_has_none: {
        "end of stubs ordered",
        "stubs ended, and journaled",
        "wedged, and journaled",
        "told",
        "restart ordered",
        "restart ordered, and journaled",
        "server converged, and journaled",
        "left over removed",
    },
}


@pytest.mark.parametrize("begins", STORIES, ids=lambda story: story.__name__)
async def test_a_controller_that_ends_anywhere_is_followed_by_one_that_goes_on(tmp_path, begins):
    async def tell(die_at):
        stack = Stack(tmp_path / str(die_at), die_at)
        await stack.begin()
        begins(stack)
        await stack.lives_on()
        return stack

    whole = await tell(None)
    assert STORIES[begins] <= set(whole.points.steps)
    for number, step in enumerate(whole.points.steps):
        stack = await tell(number)
        after = f"ended after step {number}: {step}"
        assert stack.crashes == 1, after
        assert [one.state for one in stack.controller.statuses] == [ServerState.CONVERGED] * 2, after
        assert [server.served for server in stack.servers] == [{"intent": [1, 2]}] * 2, after
        assert stack.folders.candidates() == [], after
        assert set(stack.restarts) == set(whole.restarts), after
        assert stack.folders.records.read("intent").champion == 2, after
        good = Publisher(stack.folders, stack.publisher._server)
        assert (await good.roll_back("intent")).champion == 1, after
