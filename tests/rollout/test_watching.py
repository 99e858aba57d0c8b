import shutil

import pytest

from conch.rollout.lock import holding
from conch.rollout.watching import QUIET_S, Watch
from conch.stack.repository import SHIPPED, fill_live


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(folders, publisher, clock):
    return Watch(folders, publisher, clock=clock)


async def passing(watch, clock, seconds=QUIET_S):
    await watch.step()
    clock.now += seconds
    await watch.step()


async def test_a_folder_that_is_copied_in_goes_live(watch, clock, folders, triton, version):
    shutil.copytree(version("good"), folders.repository / "intent/2")
    await watch.step()
    assert triton.served == {"intent": [1]}
    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}
    assert folders.journal.lines("intent")[0].evidence["note"] == "found in the repository"


async def test_a_folder_that_grows_is_waited_for(watch, clock, folders, triton, version):
    target = folders.repository / "intent/2"
    shutil.copytree(version("good"), target)
    for size in range(3):
        (target / "more.bin").write_bytes(b"x" * size)
        await passing(watch, clock, QUIET_S / 2)
        assert triton.served == {"intent": [1]}
    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}


async def test_a_refused_folder_is_tried_again_when_it_changes(watch, clock, folders, triton, version):
    target = folders.repository / "intent/2"
    shutil.copytree(version("bad", "answer"), target)
    for _ in range(3):
        await passing(watch, clock)
    assert [line.action for line in folders.journal.lines()] == ["refused"]

    (target / "behaviour").write_text("")
    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}


async def test_a_folder_waits_for_another_publisher_and_for_the_server(watch, clock, folders, triton, version):
    shutil.copytree(version("good"), folders.repository / "intent/2")
    with holding(folders.lock):
        await passing(watch, clock)
    triton.away = True
    await passing(watch, clock)
    assert triton.served == {"intent": [1]}
    triton.away = False
    await watch.step()
    assert triton.served == {"intent": [1, 2]}
    assert folders.quarantine.all() == []


async def test_a_new_model_goes_live_with_its_config(watch, clock, folders, triton, version):
    model = folders.repository / "intent_two"
    shutil.copytree(version("good"), model / "1")
    await passing(watch, clock)
    assert "intent_two" not in triton.served  # its config is still to come

    config = (folders.repository / "intent/config.pbtxt").read_text()
    (model / "config.pbtxt").write_text(config.replace('name: "intent"', 'name: "intent_two"', 1))
    await passing(watch, clock)
    assert triton.served["intent_two"] == [1]


@pytest.mark.parametrize("name", ["0", "01", "1" + "0" * 20])
async def test_a_folder_named_for_no_version_goes_nowhere(watch, clock, folders, triton, version, name):
    shutil.copytree(version("good"), folders.repository / "intent" / name)
    await passing(watch, clock)
    await passing(watch, clock)
    assert triton.served == {"intent": [1]}
    assert folders.live_versions("intent") == [1]


async def test_what_is_dropped_while_no_stack_runs_is_published_and_not_just_loaded(
    watch, clock, folders, triton, version
):
    (folders.repository / SHIPPED).write_text('{"intent/config.pbtxt": "", "intent/1/model.py": ""}')
    shutil.copytree(version("good"), folders.repository / "intent/2")

    fill_live(folders.repository, folders.live_models.parent)
    triton.restart()
    assert triton.served == {"intent": [1]}

    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}
