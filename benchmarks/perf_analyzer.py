"""perf_analyzer, NVIDIA's load generator for Triton: fetched once, run, and what it measured.

    report = perf_analyzer(Load("127.0.0.1:8001", "intent", concurrency=16))

The program comes out of the wheel of tritonclient 2.51.0, is checked by its sha256 and stays in `~/.cache/conch/tools`;
the two libraries that it asks for are nvidia-pytriton's. It ends at the first request that fails, so a report has no
failures; in a stream it waits for ever then, so it is given a time.
"""

import csv
import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import PackageMember, WeightFile
from conch.weights.packages import locate
from conch.weights.pull import Pull
from conch.weights.transfer import opening

PROGRAM = WeightFile(
    model="perf_analyzer",
    version=1,
    file="perf_analyzer",
    sha256="a8e3fa6d2fcd535770f18fa3c9baf21aee85697352637d24c6b2818401c95a34",
    size_bytes=20065312,
    licence="BSD-3-Clause",
    original="NVIDIA",
    parts=(
        PackageMember(
            package="tritonclient",
            version="2.51.0",
            wheel_sha256="c485bb0123bdf310f90bc8b03d3489b28df2ffed55b30c7eee0b795b48113d52",
            member="tritonclient-2.51.0.data/data/bin/perf_analyzer",
        ),
    ),
)
LIBRARIES = {"libb64.so.0d": "libb64-*", "libcudart.so.12": "libcudart-*"}
"""Under the names it asks for, those of nvidia_pytriton.libs."""
STEADY_PERCENT = 999
"""It calls a machine with other work unstable, and measures again; who compares takes medians instead."""


class Face(StrEnum):
    GRPC = "grpc"
    STREAM = "stream"
    """ModelStreamInfer."""
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class Load:
    address: str
    """host:port of the face."""
    model: str
    face: Face = Face.GRPC
    concurrency: int = 1
    window_ms: int = 1000
    """Of one measurement; three are made."""
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Of inputs whose metadata leave dimensions open."""
    text: str | None = None
    """Of BYTES inputs; None sends random letters."""
    key: str | None = None
    """Visible to this machine's users while it runs."""
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    requests: int
    per_s: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float


def perf_analyzer(load: Load) -> Report:
    """Blocks until it has measured. Raises Unavailable, with what it said, where a request failed."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table = folder / "report.csv"
        try:
            done = subprocess.run(
                [str(program()), *_arguments(load), "-f", str(table)],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
                env=_environment(folder),
                timeout=load.timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"perf_analyzer on {load.model} did not end within {load.timeout_s} s") from error
        if done.returncode != 0 or not table.is_file():
            said = f"{done.stdout}\n{done.stderr}".strip()[-2000:]
            raise Unavailable(f"perf_analyzer on {load.model} ended with {done.returncode}: {said}")
        return parsed(done.stdout, table.read_text())


def program() -> Path:
    """Fetched if it is not there."""
    cache = WeightCache(default_root().parent / "tools")
    with opening() as transfer:
        Pull(cache, transfer, locate).pull([PROGRAM])
    path = cache.path(PROGRAM)
    path.chmod(0o555)
    return path


def parsed(told: str, table: str) -> Report:
    """Of its standard output and its CSV, both with one line for one concurrency."""
    (row,) = csv.DictReader(table.splitlines())
    counted = re.search(r"Request count: (\d+)", told)
    if counted is None:
        raise Unavailable(f"perf_analyzer does not tell how many requests it sent: {told[-500:]}")
    p50, p90, p95, p99 = (float(row[f"p{percent} latency"]) / 1000 for percent in (50, 90, 95, 99))
    return Report(int(counted[1]), float(row["Inferences/Second"]), p50, p90, p95, p99)


def _arguments(load: Load) -> list[str]:
    text = [] if load.text is None else ["--string-data", load.text]
    key = [] if load.key is None else ["-H", f"x-api-key:{load.key}"]
    shapes = [f"--shape={name}:{','.join(map(str, shape))}" for name, shape in load.shapes.items()]
    # fmt: off
    return [
        "-m", load.model, "-u", load.address, "-i", "http" if load.face is Face.HTTP else "grpc",
        "--async", *(["--streaming"] if load.face is Face.STREAM else []),
        "--concurrency-range", str(load.concurrency), "-p", str(load.window_ms), "-s", str(STEADY_PERCENT), "-r", "3",
        *shapes, *text, *key,
    ]
    # fmt: on


def _environment(folder: Path) -> dict[str, str]:
    found = Path(sysconfig.get_path("purelib")) / "nvidia_pytriton.libs"
    for name, pattern in LIBRARIES.items():
        libraries = list(found.glob(pattern))
        if not libraries:
            raise Unavailable(
                f"perf_analyzer needs {name}, and nvidia-pytriton is not installed: pip install 'conch[stack]'"
            )
        (folder / name).symlink_to(libraries[0])
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)}
