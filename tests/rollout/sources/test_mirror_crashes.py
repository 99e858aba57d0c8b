"""Whoever follows a source may end after any step: what a watcher looks at is whole all the time."""

from conch.rollout.sources.mirror import Mirror
from tests.rollout.crash_points import Crash, CrashPoints
from tests.rollout.sources.test_mirror import Shelf, there

FIRST = {
    "words/1/a.bin": b"a",
    "words/1/b.bin": b"b",
    "words/config.pbtxt": b"first",
    "words/probes.json": b"[]",
    "words/configs/gpu.pbtxt": b"gpu",
    "others/1/a.bin": b"other",
    "others/config.pbtxt": b"others",
}
SECOND = {
    "words/1/a.bin": b"changed",
    "words/1/b.bin": b"b",
    "words/2/a.bin": b"2",
    "words/config.pbtxt": b"second",
    "words/probes.json": b"[2]",
}
"""A version and a config that change, a version more, a file less and a model less."""


class Following:
    def __init__(self, root, die_at):
        self.folder = root / "shelf"
        self.shelf = Shelf()
        self.points = CrashPoints(self.look, die_at)
        self.crashes = 0
        self.take_over()

    def take_over(self):
        self.mirror = Mirror(self.shelf, self.folder, None, self.points.reached)

    def look(self):
        if not Mirror(self.shelf, self.folder, None).is_whole:
            return  # nobody looks now
        found = there(self.folder)
        assert version(found, "words/1/") in ({}, version(FIRST, "words/1/"), version(SECOND, "words/1/"))
        assert config(found, "words") in ({}, config(FIRST, "words"), config(SECOND, "words"))

    async def becomes(self, contents):
        self.shelf.contents = dict(contents)
        for _ in range(3):
            try:
                await self.mirror.step()
            except Crash:
                self.crashes += 1
                self.take_over()
        assert there(self.folder) == contents


def version(files, prefix):
    return {name: content for name, content in files.items() if name.startswith(prefix)}


def config(files, model):
    return {name: content for name, content in files.items() if name.startswith(f"{model}/") and "bin" not in name}


async def test_a_source_is_followed_to_its_end_by_whoever_comes_after(tmp_path):
    async def tell(die_at):
        following = Following(tmp_path / str(die_at), die_at)
        await following.becomes(FIRST)
        await following.becomes(SECOND)
        return following

    whole = await tell(None)
    assert set(whole.points.steps) == {
        "file fetched",
        "version out of the way",
        "version in its place",
        "file in its place",
        "file taken away",
        "taken away",
        "remembered",
        "forgotten",
    }
    for number, step in enumerate(whole.points.steps):
        following = await tell(number)
        assert following.crashes == 1, f"ended after step {number}: {step}"
        assert following.mirror.is_whole
        assert sorted(path.name for path in following.folder.iterdir()) == ["words"], step
