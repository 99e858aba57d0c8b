"""Aliases, expectations and what is taken away."""

import json
import shutil

import pytest

from conch.contracts.errors import InvalidRequest, NotFound
from conch.rollout.checks import read_config
from conch.rollout.companions import check_companions
from conch.rollout.folders import Folders
from conch.rollout.lineage import Lineage
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import Mismatched, Overtaken, RefusedVersion
from conch.stack.repository import checkout

BUILT_WITH = 'parameters {{ key: "built_with" value {{ string_value: "{}" }} }}\n'


def actions(folders):
    return [(line.action, line.version) for line in folders.journal.lines()]


async def test_a_challenger_is_named_and_nobody_is_served_by_it(publisher, folders, triton, version):
    record = await publisher.publish(Publication("intent", version("second")))
    named = await publisher.set_alias("intent", "challenger", 1, expected_generation=record.generation)
    assert named.aliases == {"champion": 2, "challenger": 1}
    assert triton.served == {"intent": [1, 2]}
    assert folders.records.read("intent") == named
    assert actions(folders)[-1] == ("named", 1)

    assert (await publisher.set_alias("intent", "challenger", None)).aliases == {"champion": 2}


async def test_an_alias_is_compared_and_set(publisher, folders, version):
    record = await publisher.publish(Publication("intent", version("second")))
    await publisher.set_alias("intent", "shadow", 1)
    with pytest.raises(Overtaken, match="generation 3, not at 2"):
        await publisher.set_alias("intent", "shadow", 2, expected_generation=record.generation)
    with pytest.raises(InvalidRequest, match="no alias that can be set"):
        await publisher.set_alias("intent", "champion", 1)
    with pytest.raises(NotFound, match="no version 7"):
        await publisher.set_alias("intent", "shadow", 7)


async def test_a_record_without_aliases_is_read_as_it_was_written_before_there_were_any(folders, publisher, version):
    record = await publisher.publish(Publication("intent", version("second")))
    path = folders.rollout / "records/intent.json"
    document = json.loads(path.read_text())
    del document["named"]
    path.write_text(json.dumps(document))
    assert folders.records.read("intent") == record


async def test_who_expects_another_champion_is_told(publisher, folders, triton, version):
    with pytest.raises(Overtaken, match="champion of model intent is 1, not 4"):
        await publisher.publish(Publication("intent", version("second"), expected_champion=4))
    await publisher.publish(Publication("intent", version("third"), expected_champion=1))
    with pytest.raises(Overtaken, match="is 2, not 1"):
        await publisher.roll_back("intent", expected_champion=1)
    assert triton.served == {"intent": [1, 2]}


@pytest.mark.parametrize("published", [False, True])
async def test_a_model_is_removed_with_its_versions(publisher, folders, triton, version, published):
    if published:
        await publisher.publish(Publication("intent", version("second")))
    await publisher.remove("intent", "its folder is gone")
    assert triton.served == {}
    assert folders.records.read("intent") is None
    assert not (folders.live_models / "intent").exists()
    assert not (folders.rollout / "configs/intent").exists()
    assert actions(folders)[-1] == ("removed", None)
    with pytest.raises(NotFound):
        await publisher.remove("intent", "again")


class Crash(BaseException):
    pass


async def test_a_removal_that_is_cut_short_is_finished_by_the_next(publisher, folders, triton, version):
    await publisher.publish(Publication("intent", version("second")))

    def crash(step):
        if step == "forgotten":
            raise Crash

    with pytest.raises(Crash):
        await Publisher(folders, triton, reached=crash).remove("intent", "cut short")
    assert triton.served == {"intent": [1, 2]}
    await publisher.recover()
    assert triton.served == {}
    assert folders.pending() is None


async def test_a_model_that_an_ensemble_needs_is_not_removed(publisher, folders, triton):
    ensemble = folders.root / "live/ensembles/voice_command"
    ensemble.mkdir(parents=True)
    (ensemble / "config.pbtxt").write_text(
        'platform: "ensemble"\nensemble_scheduling { step { model_name: "intent" model_version: -1 } }\n'
    )
    with pytest.raises(Mismatched, match="ensemble voice_command has a step of model intent"):
        await publisher.remove("intent", "its folder is gone")
    assert triton.served == {"intent": [1]}


@pytest.fixture
def index(folders, tmp_path):
    """`index(path, "intent 1")` is a version of a model of the config that was made with those versions."""

    def make(path, built_with):
        config = (folders.repository / "intent/config.pbtxt").read_text().replace('"intent"', '"nearest"', 1)
        (path / "config.pbtxt").write_text(config + BUILT_WITH.format(built_with))
        return path

    return make


async def test_a_model_and_what_is_built_with_it_stay_together(publisher, folders, triton, version, index):
    with pytest.raises(Mismatched, match="built with intent 2, and intent serves version 1"):
        await publisher.publish(Publication("nearest", index(version("early"), "intent 2")))
    await publisher.publish(Publication("nearest", index(version("first"), "intent 1")))
    new = version("second")
    with pytest.raises(Mismatched, match="nearest is built with intent 1 and would not fit version 2"):
        await publisher.publish(Publication("intent", new))
    assert triton.served == {"intent": [1], "nearest": [1]}
    with pytest.raises(Mismatched, match="nearest is built with intent 1"):
        await publisher.remove("intent", "its folder is gone")

    await publisher.publish(Publication("nearest", index(version("both"), "intent 1 2")))
    await publisher.publish(Publication("intent", new))
    assert triton.served == {"intent": [1, 2], "nearest": [1, 2]}
    with pytest.raises(Mismatched, match="built with intent 1, and intent serves version 2"):
        await publisher.roll_back("nearest")

    await publisher.publish(Publication("nearest", index(version("new"), "intent 2")))
    with pytest.raises(Mismatched, match="nearest is built with intent 2 and would not fit version 1"):
        await publisher.roll_back("intent")
    assert [one.reason for one in folders.quarantine.all()] == []


async def test_what_is_built_with_no_version_is_refused(publisher, version, index):
    with pytest.raises(RefusedVersion, match="names no version"):
        await publisher.publish(Publication("nearest", index(version("first"), "intent")))


async def test_lineage_is_carried(publisher, folders, version):
    new = version("second")
    (new / "lineage.json").write_text('{"data": "calls of May", "parent": "1", "metrics": {"accuracy": 0.93}}')
    await publisher.publish(Publication("intent", new))
    found = Lineage.read(folders.version("intent", 2))
    assert found == Lineage("calls of May", "", "1", {"accuracy": 0.93})
    assert found.lines() == {"data": "calls of May", "parent": "1", "metrics.accuracy": "0.93"}


@pytest.mark.parametrize("text", ["", "[]", '{"data": 1}', '{"who": ""}', '{"metrics": {"loss": NaN}}'])
async def test_lineage_that_cannot_be_read_is_refused(publisher, version, text):
    new = version("second")
    (new / "lineage.json").write_text(text)
    with pytest.raises(RefusedVersion, match=r"lineage\.json cannot be read"):
        await publisher.publish(Publication("intent", new))


def test_the_checkout_s_nearest_keeps_an_embedding_away_that_it_has_no_index_for(tmp_path):
    folders = Folders(tmp_path)
    shutil.copytree(checkout() / "model_repository/nearest", folders.live_models / "nearest")
    embedding = read_config(checkout() / "model_repository/embedding/config.pbtxt")
    check_companions(folders, "embedding", 1, embedding)
    with pytest.raises(Mismatched, match="nearest is built with embedding 1 and would not fit version 2"):
        check_companions(folders, "embedding", 2, embedding)
