import shutil

import pytest

from conch.rollout.lock import holding
from conch.rollout.publications import Publication
from conch.rollout.watching import GONE_S, QUIET_S, Watch
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
    folders.rollout.mkdir()
    (folders.root / SHIPPED).write_text('{"intent/config.pbtxt": "", "intent/1/model.py": ""}')
    shutil.copytree(version("good"), folders.repository / "intent/2")

    fill_live(folders.repository, folders.live_models.parent)
    triton.restart()
    assert triton.served == {"intent": [1]}

    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}


def change_config(folders, model="intent", comment="changed"):
    config = folders.repository / model / "config.pbtxt"
    config.write_text(config.read_text() + f"# {comment}\n")


def actions(folders):
    return [(line.action, line.version) for line in folders.journal.lines()]


async def test_a_config_that_changes_is_a_version_of_the_champion_s_files(watch, clock, folders, triton):
    await passing(watch, clock)
    change_config(folders)
    await watch.step()
    assert triton.served == {"intent": [1]}
    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}
    assert (folders.configs("intent", 2) / "config.pbtxt").read_text().endswith("# changed\n")
    assert (folders.version("intent", 2) / "model.py").read_text() == (
        folders.version("intent", 1) / "model.py"
    ).read_text()
    for _ in range(3):
        await passing(watch, clock)
    assert actions(folders) == [("promoted", 2)]


async def test_a_config_that_is_wrong_is_refused_once_and_the_champion_stays(watch, clock, folders, triton):
    await passing(watch, clock)
    config = folders.repository / "intent/config.pbtxt"
    good = config.read_text()
    config.write_text(good.replace("TYPE_STRING", "TYPE_INT32", 1))
    for _ in range(3):
        await passing(watch, clock)
    assert actions(folders) == [("refused", 2)]
    assert triton.served == {"intent": [1]}

    config.write_text(good)
    for _ in range(3):
        await passing(watch, clock)
    assert actions(folders) == [("refused", 2)]  # what is served already


async def test_a_config_that_changed_while_nobody_watched_is_found(watch, clock, folders, publisher, triton, version):
    await publisher.publish(Publication("intent", version("good")))
    await passing(watch, clock)
    change_config(folders)
    later = Watch(folders, publisher, clock=clock)
    await passing(later, clock)
    assert triton.served == {"intent": [2, 3]}


async def test_a_version_that_comes_with_a_changed_config_is_served_by_it(watch, clock, folders, triton, version):
    await passing(watch, clock)
    change_config(folders)
    shutil.copytree(version("good"), folders.repository / "intent/2")
    await passing(watch, clock)
    await passing(watch, clock)
    assert actions(folders) == [("promoted", 2)]
    assert (folders.configs("intent", 2) / "config.pbtxt").read_text().endswith("# changed\n")


async def test_a_published_config_is_not_taken_back_by_the_repository_s(watch, clock, folders, publisher, version):
    await passing(watch, clock)
    new = version("good")
    config = (folders.repository / "intent/config.pbtxt").read_text()
    (new / "config.pbtxt").write_text(config + "# its own\n")
    await publisher.publish(Publication("intent", new))
    for _ in range(3):
        await passing(watch, clock)
    assert actions(folders) == [("promoted", 2)]


async def new_model(watch, clock, folders, version, name="intent_two"):
    model = folders.repository / name
    shutil.copytree(version(name), model / "1")
    config = (folders.repository / "intent/config.pbtxt").read_text()
    (model / "config.pbtxt").write_text(config.replace('name: "intent"', f'name: "{name}"', 1))
    await passing(watch, clock)
    return model


async def test_a_model_whose_folder_is_gone_is_removed(watch, clock, folders, triton, version):
    model = await new_model(watch, clock, folders, version)
    shutil.rmtree(model)
    await passing(watch, clock, GONE_S / 2)
    assert "intent_two" in triton.served
    await passing(watch, clock, GONE_S)
    assert triton.served == {"intent": [1]}
    assert actions(folders)[-1] == ("removed", None)

    await new_model(watch, clock, folders, lambda name: version("again"))
    assert triton.served["intent_two"] == [1]


async def test_a_folder_that_comes_back_was_only_replaced(watch, clock, folders, triton, version):
    model = await new_model(watch, clock, folders, version)
    model.rename(folders.root / "elsewhere")
    await passing(watch, clock, GONE_S / 2)
    (folders.root / "elsewhere").rename(model)
    await passing(watch, clock, GONE_S)
    await passing(watch, clock, GONE_S)
    assert "intent_two" in triton.served


async def test_a_repository_that_is_away_removes_nothing(watch, clock, folders, triton):
    await passing(watch, clock)
    folders.repository.rename(folders.root / "elsewhere")
    with pytest.raises(FileNotFoundError):
        await watch.step()
    folders.repository.mkdir()
    for _ in range(3):
        await passing(watch, clock, GONE_S)
    assert triton.served == {"intent": [1]}


async def test_what_an_ensemble_needs_stays_though_its_folder_is_gone(watch, clock, folders, triton, version):
    model = await new_model(watch, clock, folders, version)
    ensemble = folders.root / "live/ensembles/both"
    ensemble.mkdir(parents=True)
    (ensemble / "config.pbtxt").write_text(
        'platform: "ensemble"\nensemble_scheduling { step { model_name: "intent_two" model_version: -1 } }\n'
    )
    shutil.rmtree(model)
    for _ in range(3):
        await passing(watch, clock, GONE_S)
    assert "intent_two" in triton.served


async def test_a_source_is_watched_as_the_repository_is(publisher, clock, folders, triton, version):
    source = folders.sources / "releases"
    shutil.copytree(version("good"), source / "intent/2")
    watch = Watch(folders, publisher, source, clock=clock)
    await passing(watch, clock)
    assert triton.served == {"intent": [1, 2]}


async def test_a_setting_that_is_wrong_is_waited_for(watch, clock, folders, triton, version):
    (folders.root / "rollout.toml").write_text("loaded_versions = 0\n")
    shutil.copytree(version("good"), folders.repository / "intent/2")
    await passing(watch, clock)
    assert triton.served == {"intent": [1]}
    assert folders.journal.lines() == []
    (folders.root / "rollout.toml").unlink()
    await watch.step()
    assert triton.served == {"intent": [1, 2]}


async def test_a_model_and_its_index_that_are_dropped_together_go_live_one_after_the_other(
    watch, clock, folders, triton, version
):
    def index(name, built_with):
        folder = version(name)
        config = (folders.repository / "intent/config.pbtxt").read_text().replace('"intent"', '"nearest"', 1)
        made_with = f'parameters {{ key: "built_with" value {{ string_value: "{built_with}" }} }}\n'
        (folder / "config.pbtxt").write_text(config + made_with)
        return folder

    first = index("first", "intent 1")
    shutil.copytree(first, folders.repository / "nearest/1")
    shutil.copy(first / "config.pbtxt", folders.repository / "nearest")
    await passing(watch, clock)
    assert triton.served == {"intent": [1], "nearest": [1]}

    shutil.copytree(version("second"), folders.repository / "intent/2")
    await passing(watch, clock)
    await passing(watch, clock)
    assert triton.served == {"intent": [1], "nearest": [1]}
    shutil.copytree(index("both", "intent 1 2"), folders.repository / "nearest/2")
    for _ in range(3):
        await passing(watch, clock)
    assert triton.served == {"intent": [1, 2], "nearest": [1, 2]}
    assert actions(folders) == [("promoted", 1), ("failed", 2), ("promoted", 2), ("promoted", 2)]
