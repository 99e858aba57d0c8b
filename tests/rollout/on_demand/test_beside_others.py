"""A model on demand, as the controller, publishers and readiness treat it."""

import pytest

from conch.contracts.errors import Unavailable
from conch.rollout.controller import Controller
from conch.rollout.publisher import Publication
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
