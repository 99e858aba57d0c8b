"""Servers in memory, and what the controller makes of them."""

from __future__ import annotations

import shutil

import pytest

from conch.clients.triton_http import Absent, ListedModel
from conch.rollout.controller import DRAIN_S, Controller
from conch.rollout.fleet import Fleet
from conch.rollout.lock import holding
from conch.rollout.orders import Deed
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import RefusedVersion, Wedged
from conch.rollout.servers import ServerAddress, ServerState, without_calls
from conch.rollout.wedges import ENDING_S, HEALING_S, LEFT_OVER_S
from tests.rollout.conftest import MemoryTriton

AWAY, CONVERGING, CONVERGED, DRAINING = ServerState


class Server(MemoryTriton):
    """`refuses` holds models that it does not load, `hanging` those whose load does not end."""

    def __init__(self, folders):
        super().__init__(folders)
        self.refuses = set()

        self.loads = []

    async def models(self):
        if self.away:
            raise Absent("connection refused")
        ready = [
            ListedModel(name, str(version), "READY", "")
            for name, versions in self.served.items()
            for version in versions
        ]
        return [*ready, *(ListedModel(name, "1", "LOADING", "") for name in self.hanging)]

    async def load(self, model, deadline_s):
        self.loads.append(model)
        if model in self.refuses:
            raise RefusedVersion("no weights")
        if model in self.hanging:
            raise Wedged("it was not loaded within 120 s")
        await super().load(model, deadline_s)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class Site:
    def __init__(self, folders, count):
        self.folders = folders
        self.clock = Clock()
        self.servers = [Server(folders) for _ in range(count)]
        self.addresses = [ServerAddress(name, f"{name}:8010", f"{name}:8011") for name in "abc"[:count]]
        self.controller = Controller(folders, dict(zip(self.addresses, self.servers, strict=True)), clock=self.clock)
        named = {address.name: server for address, server in zip(self.addresses, self.servers, strict=True)}
        self.publisher = Publisher(folders, Fleet(named, folders.servers.read))

    async def states(self):
        await self.controller.step()
        assert self.folders.servers.read() == self.controller.statuses
        return [one.state for one in self.controller.statuses]

    async def converged(self):
        for server in self.servers:
            server.restart()
        assert await self.states() == [CONVERGED] * len(self.servers)
        return self

    def told(self):
        return [(line.action, line.evidence.get("server")) for line in self.folders.journal.lines()]


@pytest.fixture
def site(folders):
    return lambda count: Site(folders, count)


async def test_an_empty_server_is_loaded_by_its_own_address_before_it_gets_a_call(site):
    three = site(3)
    three.servers[0].restart()
    three.servers[2].away = True
    assert await three.states() == [CONVERGED, CONVERGED, AWAY]
    assert [server.loads for server in three.servers] == [[], ["intent"], []]
    assert without_calls(three.controller.statuses) == [three.addresses[2]]
    assert three.told() == [("server converged", "a"), ("loaded", "b"), ("server converged", "b")]


async def test_a_server_that_cannot_load_a_model_gets_no_calls_and_is_asked_again_ever_more_seldom(site):
    two = site(2)
    two.servers[0].restart()
    two.servers[1].refuses.add("intent")
    for _ in range(20):
        assert await two.states() == [CONVERGED, CONVERGING]
        two.clock.advance(0.5)
    assert len(two.servers[1].loads) == 4  # after 0, 1, 3 and 8 seconds
    assert two.controller.statuses[1].reason == "intent: no weights"
    assert two.told().count(("load failed", "b")) == 1

    two.servers[1].refuses.clear()
    two.clock.advance(60)
    assert await two.states() == [CONVERGED, CONVERGED]


async def test_while_no_server_is_as_it_should_be_those_that_answer_get_the_calls(site):
    one = site(1)
    one.servers[0].refuses.add("intent")
    assert await one.states() == [CONVERGING]
    assert without_calls(one.controller.statuses) == []


async def test_a_server_that_comes_back_with_another_version_is_mended_before_it_gets_calls(site, version):
    two = await site(2).converged()
    two.servers[1].away = True
    assert await two.states() == [CONVERGED, AWAY]
    await two.publisher.publish(Publication("intent", version("good")))
    assert two.servers[0].served["intent"] == [1, 2]

    two.servers[1].away, two.servers[1].served = False, {"intent": [1]}
    assert await two.states() == [CONVERGED, CONVERGED]
    assert two.servers[1].served["intent"] == [1, 2]


async def test_a_version_that_one_server_does_not_load_is_promoted_on_none(site, version):
    two = await site(2).converged()
    two.servers[1].refuses.add("intent--candidate-2")
    with pytest.raises(RefusedVersion, match="no weights"):
        await two.publisher.publish(Publication("intent", version("good")))
    assert [server.served for server in two.servers] == [{"intent": [1]}] * 2
    assert await two.states() == [CONVERGED, CONVERGED]


async def test_while_somebody_publishes_no_server_changes_its_state_but_by_going_away(site):
    two = await site(2).converged()
    two.servers[0].served["intent"] = []
    with holding(two.folders.lock):
        assert await two.states() == [CONVERGED, CONVERGED]
        two.servers[1].away = True
        assert await two.states() == [CONVERGED, AWAY]
    assert await two.states() == [CONVERGED, AWAY]
    assert two.servers[0].served["intent"] == [1]


async def test_a_candidate_that_was_left_over_goes(site):
    one = await site(1).converged()
    one.servers[0].served["intent--candidate-7"] = [7]
    await one.controller.step()
    assert one.servers[0].served == {"intent": [1]}


async def wedged(site, model, count):
    """On the last server, and its stub is ended in vain."""
    found = await site(count).converged()
    name = found.addresses[-1].name
    found.servers[-1].hanging.add(model)
    await found.controller.step()
    found.clock.advance(HEALING_S if model == "intent" else LEFT_OVER_S)
    await found.controller.step()
    order = found.folders.orders.take(name)
    assert (order.deed, order.model) == (Deed.END_STUBS, model)
    found.clock.advance(ENDING_S)
    return found


async def test_a_wedged_server_gets_no_calls_is_started_again_and_comes_back(site):
    two = await wedged(site, "intent--candidate-2", 2)
    assert await two.states() == [CONVERGED, DRAINING]
    assert without_calls(two.controller.statuses) == [two.addresses[1]]
    assert two.folders.orders.take("b") is None  # calls of before go on

    two.clock.advance(DRAIN_S)
    assert await two.states() == [CONVERGED, DRAINING]
    assert two.folders.orders.take("b").deed is Deed.RESTART
    assert await two.states() == [CONVERGED, DRAINING]
    assert two.folders.orders.take("b") is None

    two.servers[1].away = True
    assert await two.states() == [CONVERGED, AWAY]
    two.servers[1].hanging.clear()
    two.servers[1].away = False
    two.servers[1].restart()
    assert await two.states() == [CONVERGED, CONVERGED]
    assert [line for line in two.told() if line[1] == "b"][-5:] == [
        ("stubs ended", "b"),
        ("wedged", "b"),
        ("restart ordered", "b"),
        ("server away", "b"),
        ("server converged", "b"),
    ]


async def test_a_stub_that_could_be_ended_ends_the_wedge(site, folders):
    one = await site(1).converged()
    one.servers[0].hanging.add("intent--candidate-2")
    left_over = folders.live_models / "intent--candidate-2"
    left_over.mkdir()
    await one.controller.step()
    one.clock.advance(LEFT_OVER_S)
    await one.controller.step()
    one.servers[0].hanging.clear()
    one.clock.advance(ENDING_S)
    assert left_over.is_dir()
    assert await one.states() == [CONVERGED]
    assert not left_over.exists()
    assert ("wedged", "a") not in one.told()


async def test_the_only_server_is_not_ended_for_a_candidate(site):
    one = await wedged(site, "intent--candidate-2", 1)
    for _ in range(3):
        assert await one.states() == [CONVERGED]
        one.clock.advance(60)
    assert one.folders.orders.take("a") is None
    assert one.told().count(("wedged", "a")) == 1


async def test_the_only_server_is_ended_for_a_model(site):
    one = await wedged(site, "intent", 1)
    assert await one.states() == [DRAINING]


async def test_a_model_that_is_new_in_live_is_loaded_everywhere(site, folders):
    two = await site(2).converged()
    shutil.copytree(folders.live_models / "intent", folders.live_models / "other")
    assert await two.states() == [CONVERGED, CONVERGED]
    assert [server.served for server in two.servers] == [{"intent": [1], "other": [1]}] * 2


async def test_a_candidate_whose_load_goes_on_keeps_its_name_until_that_ends(site, folders):
    one = await site(1).converged()
    candidate = folders.live_models / "intent--candidate-2"
    shutil.copytree(folders.live_models / "intent", candidate)
    one.servers[0].hanging.add(candidate.name)
    await one.publisher.recover()
    assert (candidate.is_dir(), list(candidate.iterdir())) == (True, [])
    await one.publisher.recover()
    assert candidate.is_dir()
    one.servers[0].hanging.clear()
    await one.publisher.recover()
    assert not candidate.exists()


async def test_a_version_that_wedges_one_server_is_quarantined_and_what_is_left_of_it_ends(site, version):
    two = await site(2).converged()
    two.servers[1].hanging.add("intent--candidate-2")
    with pytest.raises(Wedged):
        await two.publisher.publish(Publication("intent", version("endless")))
    [refused] = two.folders.quarantine.all()
    assert (refused.model, refused.version) == ("intent", 2)
    assert "was not loaded within" in refused.reason

    await two.controller.step()
    two.clock.advance(LEFT_OVER_S)
    assert await two.states() == [CONVERGED, CONVERGED]
    assert two.folders.orders.take("a") is None
    assert two.folders.orders.take("b").model == "intent--candidate-2"


async def test_the_next_controller_asks_once_more_who_got_calls_from_the_one_before(site):
    two = await site(2).converged()

    async def answers_wrong(*_):
        raise RefusedVersion("output intent is wrong")

    two.servers[1].ask = answers_wrong
    assert await two.states() == [CONVERGED, CONVERGED]
    servers = dict(zip(two.addresses, two.servers, strict=True))
    two.controller = Controller(two.folders, servers, clock=two.clock)
    assert [one.state for one in two.controller.statuses] == [CONVERGED, CONVERGED]
    assert await two.states() == [CONVERGED, CONVERGING]
    assert two.controller.statuses[1].reason == "model intent: output intent is wrong"


async def test_a_server_that_drains_when_its_controller_ends_goes_on_draining_until_its_load_has_ended(site):
    two = await wedged(site, "intent--candidate-2", 2)
    assert await two.states() == [CONVERGED, DRAINING]
    servers = dict(zip(two.addresses, two.servers, strict=True))
    two.controller = Controller(two.folders, servers, clock=two.clock)
    assert await two.states() == [CONVERGED, DRAINING]
    two.servers[1].hanging.clear()
    assert await two.states() == [CONVERGED, CONVERGED]
    assert two.folders.orders.take("b") is None
