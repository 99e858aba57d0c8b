"""The git program and a repository on this machine."""

import subprocess

import pytest

from conch.contracts.errors import Unavailable
from conch.rollout.sources.address import SourceAddress
from conch.rollout.sources.checkout import Checkout
from conch.rollout.sources.mirror import Mirror


def git(folder, *arguments):
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def origin(tmp_path):
    """A repository with a model in its folder `models`."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main", ".")
    put(folder, "models/words/1/a.bin", "one")
    put(folder, "models/words/config.pbtxt", "config")
    put(folder, "README.md", "?")
    return folder


def put(folder, path, text):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", path)


@pytest.fixture
def mirror(tmp_path, origin):
    def make(ref="main", folder="models", url=""):
        address = SourceAddress("git", url or str(origin), ref=ref, folder=folder)
        return Mirror(Checkout(address, tmp_path / "sources/.models.git"), tmp_path / "sources/models", None)

    return make


def there(tmp_path):
    folder = tmp_path / "sources/models"
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


async def test_a_branch_is_followed(mirror, origin, tmp_path):
    one = mirror()
    await one.step()
    assert there(tmp_path) == {"words/1/a.bin": "one", "words/config.pbtxt": "config"}
    put(origin, "models/words/2/a.bin", "two")
    await one.step()
    assert there(tmp_path)["words/2/a.bin"] == "two"


@pytest.mark.parametrize("kind", ["tag", "commit"])
async def test_a_pinned_ref_stays_where_it_is(mirror, origin, tmp_path, kind):
    git(origin, "tag", "v1")
    commit = git(origin, "rev-parse", "HEAD").strip()
    put(origin, "models/words/2/a.bin", "two")
    await mirror("v1" if kind == "tag" else commit).step()
    assert there(tmp_path) == {"words/1/a.bin": "one", "words/config.pbtxt": "config"}


async def test_a_version_that_holds_a_link_is_left_out_whole(mirror, origin, tmp_path):
    (origin / "models/words/2").mkdir()
    (origin / "models/words/2/passwd").symlink_to("/etc/passwd")
    put(origin, "models/words/2/a.bin", "two")
    await mirror().step()
    assert there(tmp_path) == {"words/1/a.bin": "one", "words/config.pbtxt": "config"}


async def test_a_hook_and_a_filter_of_the_repository_do_not_run(mirror, origin, tmp_path):
    ran = tmp_path / "ran"
    put(origin, ".gitattributes", "* filter=evil\n")
    git(origin, "config", "filter.evil.smudge", f"touch {ran}")
    hook = origin / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    await mirror().step()
    assert there(tmp_path)["words/1/a.bin"] == "one"
    assert not ran.exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"ref": "nowhere"}, "git fetch of .* failed"),
        ({"url": "/nowhere/at/all"}, "git fetch of /nowhere/at/all failed"),
    ],
    ids=["a ref", "a repository"],
)
async def test_what_is_not_there_is_told(mirror, options, complaint):
    with pytest.raises(Unavailable, match=complaint):
        await mirror(**options).step()
