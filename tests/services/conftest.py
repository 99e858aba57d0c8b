"""Servers and tools that no wheel carries: provisioned here, kept in the cache, and named where they cannot be had.

`make test-services` runs these; nothing is skipped. No root and no Docker is needed.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conch.weights.cache import default_root
from tests.services.cassandra.node import HERE, Node
from tests.services.maven import jars

CACHE = default_root().parent / "services"

MOSQUITTO = Path("usr/sbin/mosquitto")
MOSQUITTO_LIBRARIES = ("libmosquitto1", "libcjson1", "libdlt2", "libwrap0")
"""What a small Debian has not."""


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own checker: from the PATH, the cache, or Debian's package `prometheus`."""
    if (found := shutil.which("promtool")) is not None:
        return Path(found)
    binary = CACHE / "prometheus" / "usr" / "bin" / "promtool"
    if not binary.is_file():
        _unpack_debian("prometheus", CACHE / "prometheus")
    return binary


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """The broker as Debian has it, never one of the PATH: the tests are of its version and its build."""
    folder = CACHE / "mosquitto"
    if not (folder / MOSQUITTO).is_file():
        _unpack_debian("mosquitto", folder, *MOSQUITTO_LIBRARIES)
    return folder / MOSQUITTO


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that is up; who freezes or kills it leaves it up."""
    node = Node(jars(HERE, CACHE), tmp_path_factory.mktemp("cassandra"))
    try:
        node.start()
        yield node
    finally:
        node.kill()


def _unpack_debian(package: str, folder: Path, *libraries: str) -> None:
    """As apt has them, checked by the archive's signature and hashes, unpacked and not installed."""
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not found: install {package} by hand and put it on the PATH")
    scratch = folder.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    fetched = subprocess.run(
        ["apt-get", "download", package, *libraries],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if fetched.returncode:
        pytest.fail(f"Debian's package {package} cannot be had (apt-get update as root may help): {fetched.stderr}")
    for archive in scratch.glob("*.deb"):
        subprocess.run(["dpkg", "-x", archive.name, "."], cwd=scratch, check=True, timeout=300)
        archive.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
