"""What the embedded stack needs of a machine, held against what the machine has.

`gather` looks, `examine` judges: a judgement needs no machine that is ill in just that way.
"""

import contextlib
import importlib
import platform
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from conch.contracts.errors import ConchError
from conch.stack.service import HOST
from conch.stack.triton import TritonInstallation
from conch.weights.cache import WeightCache, WeightsMissing
from conch.weights.manifest import Manifest

MIB = 1 << 20
GLIBC = (2, 35)
SHARED_MEMORY_BYTES = 256 * MIB
"""Each instance of a python model takes 1 MiB and more as its tensors grow."""
MEMORY_BYTES = 2048 * MIB
DISK_BYTES = 512 * MIB
"""For logs, the hot store and copies of weights where they cannot be linked."""
SERVER_DEADLINE_S = 20.0


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Works all the same, or is mended by the way."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    python: str
    """As "3.11.7"."""
    glibc: str
    """Empty where the C library is another."""
    numpy: str
    """Its version, or why it cannot be imported."""
    triton: str
    """What is wrong with the server or its stub; empty where it runs."""
    shared_memory_free_bytes: int | None
    """None where /dev/shm is not there."""
    memory_free_bytes: int
    disk_free_bytes: Mapping[Path, int]
    """By the folders that will be written to."""
    port_holders: Mapping[str, str]
    """Of each preferred port, as "triton.grpc 8011", who listens there; empty where nobody does."""
    missing_weights: Sequence[str]
    missing_weights_bytes: int
    damaged_weights: Sequence[str]
    """Each with what is wrong."""


def examine(facts: Facts) -> list[Finding]:
    """Everything in the order of the README; the stack can start where nothing FAILED."""
    return [
        _python(facts.python),
        _glibc(facts.glibc),
        _numpy(facts.numpy),
        _triton(facts.triton),
        _shared_memory(facts.shared_memory_free_bytes),
        _memory(facts.memory_free_bytes),
        *(_disk(folder, free, facts) for folder, free in facts.disk_free_bytes.items()),
        *(_port(port, holder) for port, holder in facts.port_holders.items()),
        _weights(facts),
    ]


def gather(state: Path, cache: WeightCache, manifest: Manifest, ports: Mapping[str, int]) -> Facts:
    """Look at this machine; `ports` are the preferred ones by service and face."""
    missing, damaged = [], []
    for file in manifest.needed:
        try:
            cache.verify(file)
        except WeightsMissing:
            missing.append(file)
        except ConchError as error:
            damaged.append(error.message)
    return Facts(
        python=platform.python_version(),
        glibc=platform.libc_ver()[1] if platform.libc_ver()[0] == "glibc" else "",
        numpy=_numpy_version(),
        triton=_triton_trouble(),
        shared_memory_free_bytes=_free_bytes(Path("/dev/shm")),
        memory_free_bytes=psutil.virtual_memory().available,
        disk_free_bytes={folder: _free_bytes(_existing(folder)) or 0 for folder in (state, cache.root)},
        port_holders={f"{face} {port}": _holder(port) for face, port in ports.items()},
        missing_weights=[str(file) for file in missing],
        missing_weights_bytes=sum({file.sha256: file.size_bytes for file in missing}.values()),
        damaged_weights=damaged,
    )


def _python(version: str) -> Finding:
    if _numbers(version) in ((3, 11), (3, 12)):
        return Finding("Python", Level.OK, version)
    return Finding(
        "Python", Level.FAILED, version, "use Python 3.11 or 3.12: make clean, make PYTHON=/path/to/python3.11"
    )


def _glibc(version: str) -> Finding:
    if version and _numbers(version) >= GLIBC:
        return Finding("glibc", Level.OK, version)
    found = version or "another C library"
    return Finding("glibc", Level.FAILED, found, "Triton's wheel needs 2.35: use Debian 12, Ubuntu 22.04 or later")


def _numpy(version: str) -> Finding:
    # With numpy 2 the python back end of this Triton answers with 0 bytes and no error.
    if version[:1].isdigit() and _numbers(version) < (2, 0):
        return Finding("numpy", Level.OK, version)
    return Finding("numpy", Level.FAILED, version, "numpy below 2 is needed: make clean, make demo")


def _triton(trouble: str) -> Finding:
    if not trouble:
        return Finding("Triton", Level.OK, "the server and its stub for this Python run")
    return Finding("Triton", Level.FAILED, trouble, "install nvidia-pytriton again: make clean, make demo")


def _shared_memory(free: int | None) -> Finding:
    if free is None:
        return Finding("/dev/shm", Level.FAILED, "is not there", "mount it: mount -t tmpfs tmpfs /dev/shm")
    if free >= SHARED_MEMORY_BYTES:
        return Finding("/dev/shm", Level.OK, f"{free // MIB} MiB free")
    remedy = f"{SHARED_MEMORY_BYTES // MIB} MiB are needed: make it larger (in a container --shm-size=1g), or make room"
    return Finding("/dev/shm", Level.FAILED, f"{free // MIB} MiB free", remedy)


def _memory(free: int) -> Finding:
    if free >= MEMORY_BYTES:
        return Finding("memory", Level.OK, f"{free // MIB} MiB free")
    remedy = f"all models together want {MEMORY_BYTES // MIB} MiB: serve fewer of them, conch up --only NAME"
    return Finding("memory", Level.NOTE, f"{free // MIB} MiB free", remedy)


def _disk(folder: Path, free: int, facts: Facts) -> Finding:
    # While it is fetched, a weight file stands there twice.
    needed = DISK_BYTES + 2 * facts.missing_weights_bytes
    if free >= needed:
        return Finding(f"disk of {folder}", Level.OK, f"{free // MIB} MiB free")
    remedy = f"{needed // MIB} MiB are needed: make room, or choose another place by --state and XDG_CACHE_HOME"
    return Finding(f"disk of {folder}", Level.FAILED, f"{free // MIB} MiB free", remedy)


def _port(port: str, holder: str) -> Finding:
    if not holder:
        return Finding(f"port {port}", Level.OK, "free")
    remedy = "the stack will choose another one, and conch status tells it; to have this one, end that process"
    return Finding(f"port {port}", Level.NOTE, f"taken by {holder}", remedy)


def _weights(facts: Facts) -> Finding:
    if facts.damaged_weights:
        return Finding("weights", Level.FAILED, "; ".join(facts.damaged_weights), "fetch them again: conch models pull")
    if facts.missing_weights:
        models = dict.fromkeys(file.partition("/")[0] for file in facts.missing_weights)
        found = f"missing for {', '.join(models)} ({facts.missing_weights_bytes // MIB} MiB)"
        return Finding("weights", Level.NOTE, found, "fetch them: conch models pull")
    return Finding("weights", Level.OK, "all here, with the right hashes")


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor."""
    return tuple(int(part) for part in version.split(".")[:2])


def _numpy_version() -> str:
    try:
        return str(importlib.import_module("numpy").__version__)
    except ImportError as error:
        return f"cannot be imported: {error}"


def _triton_trouble() -> str:
    """Lays the server out and runs it once, for its help."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            installation = TritonInstallation.prepare(Path(folder))
            command = [str(installation.server), "--help"]
            answer = subprocess.run(
                command,
                env=installation.environment({}),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SERVER_DEADLINE_S,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (ConchError, OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    if "--model-repository" in answer.stdout + answer.stderr:
        return ""
    return f"tritonserver ended with {answer.returncode}: {answer.stderr.strip()[-300:]}"


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _holder(port: int) -> str:
    """Empty where the port is free to bind."""
    with socket.socket() as probe:
        # As our servers do: a connection that is closing does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return _listener(port) or str(error.strerror)
    return ""


def _listener(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and getattr(connection.laddr, "port", None) == port
                and connection.pid
            ):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
