import dataclasses
import hashlib
import socket
from pathlib import Path

import pytest

from conch.stack.doctor import MIB, Facts, Finding, Level, examine, gather
from conch.weights.cache import WeightCache
from conch.weights.manifest import Manifest, WeightFile

HEALTHY = Facts(
    python="3.11.7",
    glibc="2.36",
    numpy="1.26.4",
    triton="",
    shared_memory_free_bytes=1024 * MIB,
    memory_free_bytes=8192 * MIB,
    disk_free_bytes={Path("/state"): 10_000 * MIB, Path("/cache"): 10_000 * MIB},
    port_holders={"triton.grpc 8011": "", "gateway.http 8020": ""},
    missing_weights=[],
    missing_weights_bytes=0,
    damaged_weights=[],
)


def complaints(**changes: object) -> list[Finding]:
    """About a machine that is healthy but for these facts."""
    facts = dataclasses.replace(HEALTHY, **changes)  # type: ignore[arg-type]
    return [finding for finding in examine(facts) if finding.level is not Level.OK]


def test_a_healthy_machine_has_no_complaint():
    assert complaints() == []


@pytest.mark.parametrize(
    ("name", "level", "changes", "said"),
    [
        ("Python", Level.FAILED, {"python": "3.13.0"}, "use Python 3.11 or 3.12"),
        ("Python", Level.FAILED, {"python": "3.10.12"}, "use Python 3.11 or 3.12"),
        ("glibc", Level.FAILED, {"glibc": "2.31"}, "2.35"),
        ("glibc", Level.FAILED, {"glibc": ""}, "2.35"),
        ("numpy", Level.FAILED, {"numpy": "2.1.0"}, "below 2"),
        ("numpy", Level.FAILED, {"numpy": "cannot be imported: no module"}, "below 2"),
        ("Triton", Level.FAILED, {"triton": "no stub for this Python: 3.14"}, "nvidia-pytriton"),
        ("/dev/shm", Level.FAILED, {"shared_memory_free_bytes": 64 * MIB}, "256 MiB are needed"),
        ("/dev/shm", Level.FAILED, {"shared_memory_free_bytes": None}, "mount"),
        ("memory", Level.NOTE, {"memory_free_bytes": 1000 * MIB}, "2048 MiB"),
        ("disk of /state", Level.FAILED, {"disk_free_bytes": {Path("/state"): 100 * MIB}}, "512 MiB are needed"),
        ("port triton.grpc 8011", Level.NOTE, {"port_holders": {"triton.grpc 8011": "nginx (pid 7)"}}, "another one"),
        ("weights", Level.NOTE, {"missing_weights": ["vad/1/vad.onnx"], "missing_weights_bytes": MIB}, "models pull"),
        ("weights", Level.FAILED, {"damaged_weights": ["weights of vad are damaged"]}, "models pull"),
    ],
    ids=lambda value: str(next(iter(value.items())))[:60] if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named_with_its_remedy(name, level, changes, said):
    (finding,) = complaints(**changes)

    assert (finding.name, finding.level) == (name, level)
    assert said in finding.remedy


def test_weights_that_are_missing_need_their_room_twice():
    disks = {"disk_free_bytes": {Path("/cache"): 600 * MIB}}

    assert complaints(**disks) == []
    disk, weights = complaints(**disks, missing_weights=["tts/1/a", "tts/1/b"], missing_weights_bytes=100 * MIB)
    assert disk.level is Level.FAILED
    assert "712 MiB" in disk.remedy
    assert weights.found == "missing for tts (100 MiB)"


def weight(content: bytes, model: str) -> WeightFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return WeightFile(model, 1, "model.bin", sha256, len(content), "MIT", "this test", ())


def test_this_machine_is_looked_at(tmp_path):
    cache = WeightCache(tmp_path)
    intact, damaged, missing = (weight(name.encode(), name) for name in ("intact", "damaged", "missing"))
    cache.path(intact).write_bytes(b"intact")
    cache.path(damaged).write_bytes(b"DAMAGED")
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        taken_port, free_port = taken.getsockname()[1], free.getsockname()[1]
        free.close()

        facts = gather(
            tmp_path / "not/yet/there",
            cache,
            Manifest((intact, damaged, missing)),
            {"some.grpc": taken_port, "some.http": free_port},
        )

    assert facts.triton == ""
    assert facts.numpy.startswith("1.")
    assert facts.missing_weights == ["missing/1/model.bin"]
    assert facts.missing_weights_bytes == len(b"missing")
    assert [str(damaged) in complaint for complaint in facts.damaged_weights] == [True]
    assert facts.port_holders[f"some.grpc {taken_port}"]
    assert facts.port_holders[f"some.http {free_port}"] == ""
    assert set(facts.disk_free_bytes) == {tmp_path / "not/yet/there", tmp_path}
