import errno
import json

import pytest

from conch.contracts.errors import InvalidRequest, NotFound, Unavailable
from conch.rollout.lock import holding
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.record import ModelRecord
from conch.rollout.refusals import Busy, Quarantined, RefusedVersion
from conch.stack.repository import fill_live


class Crash(BaseException):
    """What nothing catches: as if the process had ended there."""


def crashing_at(wanted):
    def reached(step):
        if step == wanted:
            raise Crash

    return reached


def live_files(folders):
    """All below live/ but for staging, as names."""
    return sorted(path.relative_to(folders.live_models).as_posix() for path in folders.live_models.rglob("*"))


def actions(folders):
    return [(line.action, line.version) for line in folders.journal.lines()]


async def test_a_version_is_promoted_and_the_old_one_stays_warm(publisher, folders, triton, version):
    record = await publisher.publish(Publication("intent", version("good"), note="better"))

    assert record == ModelRecord("intent", 2, (1, 2), (1, 2), (2,), (1,), 2)
    assert triton.served == {"intent": [1, 2]}
    assert folders.records.read("intent") == record
    (line,) = folders.journal.lines("intent")
    assert (line.action, line.version, line.evidence["before"], line.evidence["note"]) == ("promoted", 2, 1, "better")
    assert not folders.staging.exists()
    assert folders.pending() is None
    assert folders.candidates() == []


async def test_only_the_champion_and_the_one_before_it_stay_loaded(publisher, folders, triton, version):
    for name in ("second", "third"):
        await publisher.publish(Publication("intent", version(name)))

    assert triton.served == {"intent": [2, 3]}
    assert folders.live_versions("intent") == [1, 2, 3]


async def test_rollback_goes_back_at_once_and_then_further_back(publisher, folders, triton, version):
    for name in ("second", "third"):
        await publisher.publish(Publication("intent", version(name)))

    assert (await publisher.roll_back("intent")).champion == 2
    assert triton.served == {"intent": [2]}
    assert (await publisher.roll_back("intent")).champion == 1
    assert triton.served == {"intent": [1]}
    with pytest.raises(NotFound, match="before version 1"):
        await publisher.roll_back("intent")
    assert (await publisher.roll_back("intent", 3)).champion == 3
    assert triton.served == {"intent": [3]}
    assert actions(folders)[-3:] == [("rolled back", 2), ("rolled back", 1), ("rolled back", 3)]


async def test_a_number_that_was_live_is_never_given_again(publisher, version):
    await publisher.publish(Publication("intent", version("second")))
    await publisher.roll_back("intent")

    assert (await publisher.publish(Publication("intent", version("third")))).champion == 3
    with pytest.raises(InvalidRequest, match="version 2 of model intent cannot follow 3"):
        await publisher.publish(Publication("intent", version("fourth"), version=2))


@pytest.mark.parametrize("behaviour", ["load", "answer"])
async def test_a_version_that_fails_is_quarantined_and_the_champion_stays(
    publisher, folders, triton, version, behaviour
):
    bad = version("bad", behaviour)
    with pytest.raises(RefusedVersion):
        await publisher.publish(Publication("intent", bad))

    assert triton.served == {"intent": [1]}
    assert folders.live_versions("intent") == [1]
    assert folders.candidates() == []
    (refused,) = folders.quarantine.all()
    assert (refused.model, refused.version) == ("intent", 2)
    assert actions(folders) == [("refused", 2)]

    with pytest.raises(Quarantined, match=refused.reason):
        await publisher.publish(Publication("intent", bad))
    (bad / "behaviour").write_text("")
    assert (await publisher.publish(Publication("intent", bad))).champion == 2


async def test_a_server_that_is_away_is_no_fault_of_the_version(publisher, folders, triton, version):
    good = version("good")
    await publisher.publish(Publication("intent", good))
    triton.away = True
    with pytest.raises(Unavailable):
        await publisher.publish(Publication("intent", version("next")))
    assert folders.quarantine.all() == []


async def test_a_disk_that_fails_is_no_fault_of_the_version(publisher, folders, triton, version, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    good = version("good")
    with monkeypatch.context() as patched:
        patched.setattr("shutil.copytree", full)
        with pytest.raises(Unavailable, match="No space left on device"):
            await publisher.publish(Publication("intent", good))
    assert folders.quarantine.all() == []
    assert actions(folders) == [("failed", 2)]
    assert folders.pending() is None
    assert (await publisher.publish(Publication("intent", good))).champion == 2


async def test_a_live_folder_that_may_only_be_read_is_told_and_the_champion_answers(
    publisher, folders, triton, version, monkeypatch
):
    def read_only(path, *_):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    good = version("good")
    with monkeypatch.context() as patched:
        patched.setattr("conch.rollout.live_config.write_text", read_only)  # of all that lies in live/
        for _ in range(2):  # a model's first, which begins a record, and one after it
            with pytest.raises(Unavailable, match="Read-only file system"):
                await publisher.publish(Publication("intent", good))
    assert triton.served == {"intent": [1]}
    assert folders.quarantine.all() == []
    assert (await publisher.publish(Publication("intent", good))).champion == 2


async def test_the_second_of_two_publishers_is_told(publisher, folders, version):
    with holding(folders.lock), pytest.raises(Busy, match=r"another publisher \(pid \d+\)"):
        await publisher.publish(Publication("intent", version("good")))


async def test_a_model_that_is_new_brings_its_config(publisher, triton, folders, version):
    with pytest.raises(RefusedVersion, match=r"brings no config\.pbtxt"):
        await publisher.publish(Publication("intent_two", version("bare")))

    folder = version("whole")
    config = (folders.repository / "intent/config.pbtxt").read_text()
    (folder / "config.pbtxt").write_text(config.replace('name: "intent"', 'name: "intent_two"', 1))
    record = await publisher.publish(Publication("intent_two", folder))

    assert record == ModelRecord("intent_two", 1, (1,), (1,), (1,), (), 1)
    assert triton.served == {"intent": [1], "intent_two": [1]}


async def steps_of_a_publishing(folders, triton, path):
    steps = []
    await Publisher(folders, triton, reached=steps.append).publish(Publication("intent", path))
    return steps


ADOPTED = "adopted"
"""Of a model's first publishing."""
STEPS = (
    "staged",
    "checked",
    "candidate placed",
    "candidate loaded",
    "candidate probed",
    "candidate gone",
    "placed",
    "configured",
    "loaded",
    "recorded",
    "journaled",
)


async def test_the_steps_are_all_that_there_are(folders, triton, version):
    assert await steps_of_a_publishing(folders, triton, version("good")) == [ADOPTED, *STEPS]


@pytest.mark.parametrize("stack_too", [False, True], ids=["the publisher", "the whole stack"])
@pytest.mark.parametrize("step", [ADOPTED, *STEPS])
async def test_a_crash_leaves_the_old_or_the_new_version(folders, triton, version, step, stack_too):
    with pytest.raises(Crash):
        await Publisher(folders, triton, reached=crashing_at(step)).publish(Publication("intent", version("good")))
    assert triton.served["intent"] in ([1], [1, 2])

    if stack_too:
        fill_live(folders.repository, folders.live_models.parent)
        triton.restart()
    else:
        await Publisher(folders, triton).recover()

    new = step in ("recorded", "journaled")
    assert triton.served == {"intent": [1, 2] if new else [1]}
    assert folders.live_versions("intent") == ([1, 2] if new else [1])
    assert folders.candidates() == []
    assert folders.pending() is None
    assert not folders.staging.exists()
    assert (await Publisher(folders, triton).publish(Publication("intent", version("next")))).champion == 2 + new


@pytest.mark.parametrize("step", ["configured", "loaded", "recorded"])
async def test_a_crash_in_a_rollback_leaves_the_old_or_the_new_champion(folders, triton, publisher, version, step):
    await publisher.publish(Publication("intent", version("good")))
    with pytest.raises(Crash):
        await Publisher(folders, triton, reached=crashing_at(step)).roll_back("intent")
    await publisher.recover()

    record = folders.records.read("intent")
    assert record.champion == (1 if step == "recorded" else 2)
    assert triton.served == {"intent": list(record.serving)}


async def test_a_restart_serves_what_was_promoted(folders, triton, publisher, version):
    await publisher.publish(Publication("intent", version("good")))
    assert fill_live(folders.repository, folders.live_models.parent) == ["intent"]
    triton.restart()
    assert triton.served == {"intent": [1, 2]}
    assert (folders.version("intent", 2) / "weights.bin").read_bytes() == b"good" * 100


async def test_a_restart_after_a_rollback_serves_the_old_one(folders, triton, publisher, version):
    await publisher.publish(Publication("intent", version("good")))
    await publisher.roll_back("intent")
    fill_live(folders.repository, folders.live_models.parent)
    triton.restart()
    assert triton.served == {"intent": [1]}
    assert folders.live_versions("intent") == [1, 2]


async def test_a_version_that_rotted_on_disk_gives_way_to_the_one_before(folders, triton, publisher, version):
    await publisher.publish(Publication("intent", version("good")))
    damaged = folders.version("intent", 2) / "weights.bin"
    damaged.chmod(0o644)
    damaged.write_bytes(b"Good" + damaged.read_bytes()[4:])

    fill_live(folders.repository, folders.live_models.parent)
    triton.restart()

    assert triton.served == {"intent": [1]}
    assert [line.action for line in folders.journal.lines()] == ["promoted", "lost", "fell back"]


async def test_a_start_that_was_ended_between_its_two_renames_loses_nothing(folders, triton, publisher, version):
    await publisher.publish(Publication("intent", version("good")))
    live = folders.live_models.parent
    live.rename(live.with_name("live.old"))
    folders.live_models.mkdir(parents=True)

    fill_live(folders.repository, live)
    triton.restart()

    assert triton.served == {"intent": [1, 2]}


async def test_a_torn_line_of_the_journal_costs_that_line_alone(folders):
    folders.journal.append("promoted", "intent", 2)
    with (folders.rollout / "journal.jsonl").open("a") as file:
        file.write('{"at": "20')
    folders.journal.append("promoted", "intent", 3)
    assert actions(folders) == [("promoted", 2), ("promoted", 3)]
    last = (folders.rollout / "journal.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["version"] == 3


async def test_a_record_that_somebody_else_changed_is_not_overwritten(folders):
    first = folders.records.write(ModelRecord("intent", 1, (1,), (1,)))
    folders.records.write(first)
    with pytest.raises(Unavailable, match="generation 2, this change was made from 1"):
        folders.records.write(first)
