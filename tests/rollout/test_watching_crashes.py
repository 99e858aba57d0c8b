"""Whoever watches the repository may end after any step: the next one takes up what was dropped, once."""

import shutil

import pytest

from conch.rollout.publisher import Publisher
from conch.rollout.watching import GONE_S, Watch
from tests.rollout.conftest import CHECKOUT, MemoryTriton, state_folder
from tests.rollout.crash_points import Crash, CrashPoints
from tests.rollout.test_publisher import STEPS

ROUNDS = 8


class Watched:
    def __init__(self, root, die_at):
        self.folders = state_folder(root)
        self.triton = MemoryTriton(self.folders)
        self.triton.restart()
        self.points = CrashPoints(self.look, die_at)
        self.crashes = 0
        self.now = 0.0
        self.take_over()

    def look(self):
        """The champion answers."""
        record = self.folders.records.read("intent")
        assert (record.champion if record else 1) in self.triton.served["intent"]

    def take_over(self):
        self.publisher = Publisher(self.folders, self.triton, reached=self.points.reached)
        self.watch = Watch(self.folders, self.publisher, clock=lambda: self.now, reached=self.points.reached)

    async def lives_on(self):
        for _ in range(ROUNDS):
            try:
                if self.folders.pending() is not None or self.folders.candidates():
                    await self.publisher.recover()
                await self.watch.step()
            except Crash:
                self.crashes += 1
                self.take_over()
            self.now += GONE_S

    def version(self, model, number):
        folder = self.folders.repository / model / str(number)
        shutil.copytree(CHECKOUT / "1", folder, ignore=lambda *_: {"model.onnx"})
        (folder / "note.txt").write_text(f"{model} {number}")


async def a_version(watched):
    watched.version("intent", 2)
    await watched.lives_on()
    return {"intent": [1, 2]}


async def a_version_for_which_a_warm_one_makes_room(watched):
    for number in (2, 3):
        watched.version("intent", number)
        await watched.lives_on()
    return {"intent": [2, 3]}


async def a_config(watched):
    await watched.lives_on()
    config = watched.folders.repository / "intent/config.pbtxt"
    config.write_text(config.read_text() + "# changed\n")
    await watched.lives_on()
    return {"intent": [1, 2]}


async def a_model_that_comes_and_goes(watched):
    watched.version("words", 1)
    config = (watched.folders.repository / "intent/config.pbtxt").read_text()
    (watched.folders.repository / "words/config.pbtxt").write_text(config.replace('"intent"', '"words"', 1))
    await watched.lives_on()
    assert watched.triton.served["words"] == [1]
    shutil.rmtree(watched.folders.repository / "words")
    await watched.lives_on()
    return {"intent": [1]}


STORIES = {
    a_version: {*STEPS, "published", "version taken up"},
    a_version_for_which_a_warm_one_makes_room: {*STEPS, "published", "version taken up"},
    a_config: {*STEPS, "published", "config taken up"},
    a_model_that_comes_and_goes: {
        "forgotten",
        "model unloaded",
        "model removed",
        "its configs removed",
        "cleared up",
        "removed",
        "removal taken up",
    },
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_what_is_dropped_goes_live_once_whoever_ends_where(tmp_path, story):
    async def tell(die_at):
        watched = Watched(tmp_path / str(die_at), die_at)
        served = await story(watched)
        assert watched.triton.served == served, f"ended after step {die_at}"
        return watched

    whole = await tell(None)
    assert STORIES[story] <= set(whole.points.steps)
    for number, step in enumerate(whole.points.steps):
        watched = await tell(number)
        after = f"ended after step {number}: {step}"
        assert watched.crashes == 1, after
        assert watched.folders.candidates() == [], after
        assert watched.folders.pending() is None, after
        assert not watched.folders.staging.exists(), after
        assert watched.folders.quarantine.all() == [], after
        assert watched.watch._taken.fingerprints == whole.watch._taken.fingerprints, after
        assert stand(watched) == stand(whole), after


def stand(watched):
    """What is live, and what is known of it."""
    live = watched.folders.live_models
    files = sorted(path.relative_to(live).as_posix() for path in live.rglob("*"))
    records = [(one.model, one.champion, one.serving, one.known) for one in watched.folders.records.all()]
    return files, records
