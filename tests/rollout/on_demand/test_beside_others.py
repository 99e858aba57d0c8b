"""A model on demand, as the controller, publishers and readiness treat it."""

import pytest

from conch.contracts.errors import Unavailable
from conch.rollout.controller import MISSES, Controller
from conch.rollout.fleet import Fleet
from conch.rollout.on_demand.loader import LEASE_S, Loader
from conch.rollout.on_demand.memory import MachineMemory
from conch.rollout.publications import Publication
from conch.rollout.servers import ServerAddress, ServerState
from tests.rollout.test_controller import Server


async def test_a_server_has_converged_without_a_model_that_rests_and_not_without_one_that_others_serve(folders):
    resting = {"intent"}
    server = Server(folders)
    address = ServerAddress("a", "a:8010", "a:8011")
    controller = Controller(folders, {address: server}, resting=lambda: resting)
    await controller.step()
    assert controller.statuses[0].state is ServerState.CONVERGED
    assert server.loads == []

    resting.clear()
    await controller.step()
    assert server.loads == ["intent"]


async def test_one_that_is_loaded_though_it_may_rest_is_left_alone(folders):
    server = Server(folders)
    server.restart()
    controller = Controller(folders, {ServerAddress("a", "a:8010", "a:8011"): server}, resting=lambda: {"intent"})
    await controller.step()
    assert server.served == {"intent": [1]}


async def test_a_version_of_a_model_that_rests_is_published_and_stays_loaded(folders, triton, publisher, version):
    await triton.unload("intent", 10)
    with pytest.raises(Unavailable, match="is not served"):
        await publisher.publish(Publication("intent", version("early")))

    folders.on_demand.write({"intent": False})
    record = await publisher.publish(Publication("intent", version("good")))
    assert (record.champion, record.known) == (2, (1, 2))
    assert triton.served == {"intent": [1, 2]}


async def test_of_several_servers_one_that_comes_back_serves_what_is_loaded_on_the_others(folders):
    (folders.root / "rollout.toml").write_text('[on_demand]\nmodels = ["intent"]')
    servers = {ServerAddress(name, f"{name}:8010", f"{name}:8011"): Server(folders) for name in "ab"}
    first, second = servers.values()
    fleet = Fleet({address.name: server for address, server in servers.items()}, folders.servers.read)
    async with Loader(folders, fleet, MachineMemory(folders)) as loader:
        controller = Controller(folders, servers, resting=loader.resting)
        await controller.step()
        assert [one.state for one in controller.statuses] == [ServerState.CONVERGED] * 2
        assert [server.served for server in servers.values()] == [{}, {}]

        assert 0 < await loader.ask("intent") <= LEASE_S
        assert [server.served for server in servers.values()] == [{"intent": [1]}] * 2

        second.away, second.served = True, {}
        for _ in range(MISSES):
            await controller.step()
        await loader.step()
        assert loader.resting() == set()

        second.away = False
        await controller.step()
        assert [one.state for one in controller.statuses] == [ServerState.CONVERGED] * 2
        assert second.served == first.served == {"intent": [1]}
