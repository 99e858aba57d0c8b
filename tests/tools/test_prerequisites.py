import collections
import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.prerequisites import failures

ROOT = Path(__file__).parents[2]

Usage = collections.namedtuple("Usage", "total used free")


def test_the_machine_that_runs_these_tests_has_them():
    assert list(failures(ROOT)) == []


def test_they_are_checked_before_anything_is_installed():
    script = "import sys; sys.path.insert(0, '.'); import tools.prerequisites"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("module", "name", "fact", "said"),
    [
        (sys, "version_info", (3, 10, 1), "Conch needs 3.11 or 3.12"),
        (platform, "machine", lambda: "aarch64", "Linux on x86_64 alone"),
        (platform, "libc_ver", lambda: ("glibc", "2.31"), "glibc 2.31, Triton's wheel needs glibc 2.35"),
        (platform, "libc_ver", lambda: ("", ""), "another C library"),
        (importlib.util, "find_spec", lambda name: None, "-venv"),
        (shutil, "disk_usage", lambda folder: Usage(0, 0, 1 << 30), "1024 MiB free, Conch needs 3072"),
    ],
    ids=["Python", "machine", "old glibc", "musl", "venv", "disk"],
)
def test_each_failure_tells_its_remedy(monkeypatch, module, name, fact, said):
    if name == "version_info":
        fact = collections.namedtuple("Version", "major minor micro")(*fact)
    monkeypatch.setattr(module, name, fact)

    (failure,) = failures(ROOT)
    assert said in failure
