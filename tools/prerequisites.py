"""What must hold before anything can be installed; `conch doctor` checks the rest.

Runs on a bare Python 3.11 or 3.12, before there is an environment: standard library alone.
"""

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

GLIBC = (2, 35)
FREE_BYTES = 3 << 30
"""The environment takes 1.7 GB, the weights twice 0.23 GB while they are fetched."""


def failures(folder: Path) -> Iterator[str]:
    """One sentence each, with its remedy."""
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        yield f"Python is {platform.python_version()}, Conch needs 3.11 or 3.12: make PYTHON=/path/to/python3.11"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        yield f"this is {sys.platform} on {platform.machine()}; Triton's wheel is for Linux on x86_64 alone"
        return
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < GLIBC:
        have = f"{library} {version}".strip() or "another C library"
        yield f"this system has {have}, Triton's wheel needs glibc 2.35: use Debian 12, Ubuntu 22.04 or later"
    if importlib.util.find_spec("ensurepip") is None:
        name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        yield f"this Python cannot make environments: install the package {name}"
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        yield f"{folder} has {free >> 20} MiB free, Conch needs {FREE_BYTES >> 20}: make room or use another disk"


def main() -> int:
    found = list(failures(Path.cwd()))
    for failure in found:
        print(f"cannot install: {failure}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
