"""Java programs from Maven's central repository: jars in the cache, each the one whose hash we have written down."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

DOWNLOAD_S = 600


def jars(program: Path, cache: Path) -> Path:
    """The folder of the jars of `program`, a folder with pom.xml and jars.sha256, in the cache. Fails the test where
    they cannot be had, or are others."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not found: install openjdk-17-jre-headless and maven")
    hashes = (program / "jars.sha256").read_bytes()
    written = {name: digest for digest, name in (line.split() for line in hashes.decode().splitlines())}
    cached = cache / f"{program.name}-{hashlib.sha256(hashes).hexdigest()[:12]}"
    if not cached.is_dir():
        _download(program / "pom.xml", cached, written)
    _check(cached, written)
    return cached


def _download(pom: Path, cached: Path, written: dict[str, str]) -> None:
    scratch = cached.with_name(f"{cached.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    fetched = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(pom), PLUGIN, "-DincludeScope=runtime", f"-DoutputDirectory={scratch}"],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_S,
    )
    if fetched.returncode:
        pytest.fail(f"Maven does not bring {pom}: {fetched.stdout[-2000:]}")
    _check(scratch, written)
    scratch.rename(cached)


def _check(folder: Path, written: dict[str, str]) -> None:
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    if found != written:
        others = sorted(name for name in {*found, *written} if found.get(name) != written.get(name))
        pytest.fail(f"jars in {folder} are not those of jars.sha256: {', '.join(others[:5])} of {len(others)}")
