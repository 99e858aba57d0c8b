import hashlib

import pytest

from conch.contracts.errors import Unavailable
from conch.rollout.quiet import Quiet
from conch.rollout.sources.mirror import Mirror, units_of
from conch.rollout.sources.remote import Remote, RemoteFile

QUIET_S = 2.0


class Shelf(Remote):
    """A remote place in memory; `fetched` are the paths that were asked for."""

    def __init__(self, **contents):
        self.contents = dict(contents)
        self.fetched = []
        self.breaks_at = ""

    async def files(self):
        return {
            path: RemoteFile(hashlib.sha256(content).hexdigest(), len(content))
            for path, content in self.contents.items()
        }

    async def fetch(self, path, file, target):
        if path == self.breaks_at:
            target.write_bytes(self.contents[path][:1])
            raise Unavailable("the connection broke")
        self.fetched.append(path)
        target.write_bytes(self.contents[path])


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def shelf():
    return Shelf(
        **{"words/1/a.bin": b"a", "words/1/inner/b.bin": b"b", "words/config.pbtxt": b"config", "README": b"?"}
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sources/shelf"


@pytest.fixture
def mirror(shelf, folder):
    return Mirror(shelf, folder, None)


def there(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


async def test_versions_and_configs_are_brought_and_nothing_else(mirror, shelf, folder):
    await mirror.step()
    assert there(folder) == {"words/1/a.bin": b"a", "words/1/inner/b.bin": b"b", "words/config.pbtxt": b"config"}


async def test_what_has_not_changed_is_not_fetched_again(mirror, shelf, folder):
    await mirror.step()
    shelf.fetched.clear()
    await mirror.step()
    await Mirror(shelf, folder, None).step()
    assert shelf.fetched == []

    shelf.contents["words/1/a.bin"] = b"other"
    await mirror.step()
    assert shelf.fetched == ["words/1/a.bin"]
    assert there(folder)["words/1/inner/b.bin"] == b"b"
    assert there(folder)["words/1/a.bin"] == b"other"


async def test_a_version_that_breaks_off_is_never_seen(mirror, shelf, folder):
    shelf.breaks_at = "words/1/inner/b.bin"
    with pytest.raises(Unavailable):
        await mirror.step()
    assert there(folder) == {}
    shelf.breaks_at = ""
    await mirror.step()
    assert "words/1/inner/b.bin" in there(folder)


async def test_a_version_that_changes_and_breaks_off_stays_as_it_was(mirror, shelf, folder):
    await mirror.step()
    before = there(folder)
    shelf.contents |= {"words/1/a.bin": b"new", "words/1/inner/b.bin": b"newer"}
    shelf.breaks_at = "words/1/inner/b.bin"
    with pytest.raises(Unavailable):
        await mirror.step()
    assert there(folder) == before


async def test_a_list_that_grows_is_waited_for(shelf, folder):
    clock = Clock()
    mirror = Mirror(shelf, folder, Quiet(QUIET_S, clock))
    for size in range(3):
        shelf.contents["words/1/more.bin"] = b"x" * size
        await mirror.step()
        assert mirror.is_waiting
        clock.now += QUIET_S
    assert "words/1/a.bin" not in there(folder)
    await mirror.step()
    assert not mirror.is_waiting
    assert there(folder)["words/1/more.bin"] == b"xx"


async def test_what_goes_away_is_taken_away_unless_everything_does(mirror, shelf, folder):
    shelf.contents |= {"others/1/a.bin": b"a", "others/config.pbtxt": b"config", "words/2/a.bin": b"2"}
    await mirror.step()
    contents = shelf.contents
    shelf.contents = {}
    await mirror.step()
    assert "words/1/a.bin" in there(folder)

    shelf.contents = {path: one for path, one in contents.items() if path.startswith("words/2")}
    await mirror.step()
    assert there(folder) == {"words/2/a.bin": b"2"}
    assert sorted(path.name for path in folder.iterdir()) == ["words"]


@pytest.mark.parametrize(
    "path",
    ["../1/a.bin", "/etc/passwd", "words/1/../../../a", "words/1//a", "WORDS/1/a", "words/1/a\nb", "words\\1\\a"],
)
def test_a_path_that_would_lie_elsewhere_is_left_out(path):
    assert units_of({path: RemoteFile("tag", 1)}) == {}


def test_too_much_is_not_followed():
    with pytest.raises(Unavailable, match=r"bytes, \d+ at most"):
        units_of({"words/1/a.bin": RemoteFile("tag", 2**60)})
