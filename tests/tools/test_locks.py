"""What the lock files promise: exact versions, hashes, no index, and the dependencies that pyproject.toml names now."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {
    "cpu": ["build", "gateway", "bridge", "streaming", "models", "piper", "stack"],
    "dev": ["build", "gateway", "bridge", "streaming", "models", "piper", "stack", "s3", "training", "dev"],
    "gpu": ["build", "models", "piper", "gpu"],
    "gateway": ["gateway"],
}
"""With the extras each holds."""


def text_of(lock: str) -> str:
    return (ROOT / f"requirements/{lock}.lock").read_text()


def pinned(lock: str) -> dict[str, Requirement]:
    """By name; a package that is locked twice, for two kinds of machine, stands as its last."""
    lines = [line.removesuffix(" \\") for line in text_of(lock).splitlines() if line and not line.startswith(" ")]
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_an_index(lock):
    assert "://" not in text_of(lock)
    assert not re.search(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links)\b", text_of(lock), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock):
    for entry in re.split(r"\n(?=\S)", text_of(lock).strip()):
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_pyproject_asks_for(lock):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [asked for extra in LOCKS[lock] for asked in project["optional-dependencies"][extra]]
    pins = pinned(lock)

    for asked in map(Requirement, project["dependencies"] + extras):
        if lock == "gpu" and asked.name == "onnxruntime":
            continue
        pin = pins[canonicalize_name(asked.name)]
        assert asked.specifier.contains(version(pin)), f"{asked} is locked as {pin}"


@pytest.mark.parametrize("lock", ["dev", "gpu", "gateway"])
def test_locks_agree_on_what_they_share(lock):
    cpu, other = pinned("cpu"), pinned(lock)
    shared = cpu.keys() & other.keys()
    assert {name: version(cpu[name]) for name in shared} == {name: version(other[name]) for name in shared}


def test_tests_run_on_all_that_serving_runs_on():
    assert pinned("cpu").keys() <= pinned("dev").keys()


def test_the_two_onnx_runtimes_never_meet():
    runtimes = {"onnxruntime", "onnxruntime-gpu"}
    assert {lock: runtimes & pinned(lock).keys() for lock in LOCKS} == {
        "cpu": {"onnxruntime"},
        "dev": {"onnxruntime"},
        "gpu": {"onnxruntime-gpu"},
        "gateway": set(),
    }
