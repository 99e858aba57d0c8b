"""What cannot be had is named, and what is not the thing that was written down is refused."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.services.maven import jars


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Of one jar, which is in the cache."""
    folder = tmp_path / "program"
    folder.mkdir()
    hashes = f"{hashlib.sha256(b'jar').hexdigest()}  one.jar\n"
    (folder / "jars.sha256").write_text(hashes)
    cached = tmp_path / f"program-{hashlib.sha256(hashes.encode()).hexdigest()[:12]}"
    cached.mkdir()
    (cached / "one.jar").write_bytes(b"jar")
    return folder


def test_what_was_fetched_is_not_fetched_again(program: Path, tmp_path: Path) -> None:
    assert [jar.name for jar in jars(program, tmp_path).iterdir()] == ["one.jar"]


def test_java_and_maven_are_named_where_they_are_missing(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="java and mvn not found"):
        jars(program, tmp_path)


@pytest.mark.parametrize("spoiled", ["changed", "missing", "added"])
def test_other_jars_than_those_written_down_are_refused(program: Path, tmp_path: Path, spoiled: str) -> None:
    (cached,) = tmp_path.glob("program-*")
    if spoiled == "changed":
        (cached / "one.jar").write_bytes(b"another")
    elif spoiled == "missing":
        (cached / "one.jar").unlink()
    else:
        shutil.copy(cached / "one.jar", cached / "two.jar")
    with pytest.raises(pytest.fail.Exception, match=r"not those of jars\.sha256"):
        jars(program, tmp_path)
