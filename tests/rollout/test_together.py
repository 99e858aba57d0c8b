"""An embedding and its index, in the shape of intent and nearest, and an ensemble of both: they change in one step."""

import shutil

import pytest

from conch.contracts.errors import InvalidRequest
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import Mismatched, Quarantined, RefusedVersion
from conch.rollout.watching import QUIET_S, Watch
from conch.stack.repository import fill_live
from tests.rollout.conftest import CHECKOUT, MemoryTriton, state_folder
from tests.rollout.crash_points import Crash, CrashPoints

ENSEMBLE = """\
platform: "ensemble"
ensemble_scheduling {
  step { model_name: "intent" model_version: -1 }
  step { model_name: "nearest" model_version: -1 }
}
"""
OLD, NEW = [1, 1], [2, 2]


class Site:
    """Version 1 of both is live; `new(model, …)` is a version 2 of one, that fits the other's alone."""

    def __init__(self, root, die_at=None):
        self.folders = state_folder(root)
        for shelf in ("repository", "live/ensembles"):
            (root / shelf / "both/1").mkdir(parents=True)
            (root / shelf / "both/config.pbtxt").write_text(ENSEMBLE)
        self.triton = MemoryTriton(self.folders)
        self.triton.restart()
        self.points = CrashPoints(self.look, die_at)
        self.watching = False
        self.publisher = self.another()

    def another(self):
        return Publisher(self.folders, self.triton, reached=self.points.reached)

    async def begin(self):
        await Publisher(self.folders, self.triton).publish(Publication("nearest", self.index("first", "intent 1")))
        await self.triton.load("both", 1.0)
        self.watching = True
        return self

    def look(self):
        if self.watching:
            assert self.triton.through("both") in (OLD, NEW)
            assert self.champions() in (OLD, NEW)

    def champions(self):
        records = {one.model: one.champion for one in self.folders.records.all()}
        return [records.get("intent", 1), records["nearest"]]

    def version(self, name, behaviour=""):
        folder = self.folders.root / "new" / name
        folder.mkdir(parents=True)
        shutil.copy(CHECKOUT / "1/model.py", folder)
        (folder / "note.txt").write_text(name)
        (folder / "behaviour").write_text(behaviour)
        return folder

    def index(self, name, built_with, behaviour=""):
        folder = self.version(name, behaviour)
        config = (CHECKOUT / "config.pbtxt").read_text().replace('"intent"', '"nearest"', 1)
        made_with = f'parameters {{ key: "built_with" value {{ string_value: "{built_with}" }} }}\n'
        (folder / "config.pbtxt").write_text(config + made_with)
        return folder

    def both(self, behaviour=""):
        return [
            Publication("intent", self.version("second")),
            Publication("nearest", self.index("with the second", "intent 2", behaviour)),
        ]

    def lines(self):
        return [(line.action, line.model, line.version) for line in self.folders.journal.lines()][1:]


@pytest.fixture
async def site(tmp_path):
    return await Site(tmp_path).begin()


async def test_versions_that_fit_each_other_alone_go_live_together(site):
    for one in site.both():
        with pytest.raises(Mismatched):
            await site.publisher.publish(one)
        shutil.rmtree(one.path)
    records = await site.publisher.publish_together(site.both())
    assert [record.champion for record in records] == site.champions() == site.triton.through("both") == NEW
    assert site.triton.served == {"intent": [1, 2], "nearest": [1, 2]}
    assert (site.folders.root / "live/ensembles/both/config.pbtxt").read_text() == ENSEMBLE
    lines = site.folders.journal.lines()[-2:]
    assert [(line.model, line.evidence["together"]) for line in lines] == [
        ("intent", ["nearest"]),
        ("nearest", ["intent"]),
    ]
    assert len({line.evidence["epoch"] for line in lines}) == 1


async def test_where_one_is_refused_none_goes_live_and_that_one_alone_is_quarantined(site):
    bad = site.both(behaviour="answer")
    with pytest.raises(RefusedVersion, match="output intent is wrong"):
        await site.publisher.publish_together(bad)
    assert site.champions() == site.triton.through("both") == OLD
    assert site.triton.served == {"intent": [1], "nearest": [1]}
    assert [one.model for one in site.folders.quarantine.all()] == ["nearest"]
    with pytest.raises(Quarantined):
        await site.publisher.publish_together(bad)
    (bad[1].path / "behaviour").write_text("")
    await site.publisher.publish_together(bad)
    assert site.champions() == NEW


async def test_those_that_do_not_fit_each_other_are_refused_together(site):
    intent, nearest = site.both()
    config = nearest.path / "config.pbtxt"
    config.write_text(config.read_text().replace("intent 2", "intent 3"))
    with pytest.raises(Mismatched, match="nearest is built with intent 3 and would not fit version 2"):
        await site.publisher.publish_together([intent, nearest])
    with pytest.raises(InvalidRequest, match="name a model twice"):
        await site.publisher.publish_together([intent, intent])
    assert site.champions() == OLD
    assert site.folders.quarantine.all() == []


STEPS = {
    "ensemble held",
    "configured",
    "loaded",
    "recorded",
    "journaled",
    "ensemble released",
    "released",
    "settled",
}


@pytest.mark.parametrize("stack_too", [False, True], ids=["the publisher", "the whole stack"])
async def test_whoever_ends_where_all_go_live_or_none(tmp_path, stack_too):
    async def tell(die_at):
        site = await Site(tmp_path / str(die_at), die_at).begin()
        try:
            await site.publisher.publish_together(site.both())
        except Crash:
            site.points.die_at = None
            if stack_too:
                fill_live(site.folders.repository, site.folders.live_models.parent)
                site.triton.restart()
                await site.triton.load("both", 1.0)
            else:
                await site.another().recover()
        return site

    whole = await tell(None)
    assert set(whole.points.steps) >= STEPS
    commit = whole.points.steps.index("recorded")
    for number, step in enumerate(whole.points.steps):
        site = await tell(number)
        after = f"ended after step {number}: {step}"
        wanted = OLD if number < commit else NEW
        assert site.champions() == site.triton.through("both") == wanted, after
        assert site.triton.ensembles["both"] == {"intent": -1, "nearest": -1}, after
        assert [list(site.triton.served[model]) for model in ("intent", "nearest")] == (
            [[1], [1]] if wanted == OLD else [[1, 2], [1, 2]]
        ), after
        assert site.folders.pending() is None, after
        assert site.folders.candidates() == [], after
        assert not (site.folders.rollout / "together.json").exists(), after
        assert list((site.folders.rollout / "pinned").glob("*")) == [], after


async def test_what_is_dropped_together_goes_live_together(site):
    now = 0.0
    watch = Watch(site.folders, site.publisher, clock=lambda: now)
    shutil.copytree(site.folders.root / "new/first", site.folders.repository / "nearest/1")
    shutil.copy(site.folders.repository / "nearest/1/config.pbtxt", site.folders.repository / "nearest")
    for number, wanted in enumerate(site.both(behaviour="answer")):
        shutil.copytree(wanted.path, site.folders.repository / wanted.model / "2")
        for _ in range(3):
            await watch.step()
            now += QUIET_S
        assert site.champions() == OLD, number
    assert [line[0] for line in site.lines()].count("refused") == 1

    (site.folders.repository / "nearest/2/behaviour").write_text("")
    for _ in range(4):
        await watch.step()
        now += QUIET_S
    assert site.champions() == site.triton.through("both") == NEW
    assert site.lines()[-2:] == [("promoted", "intent", 2), ("promoted", "nearest", 2)]
