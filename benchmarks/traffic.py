"""Locust's scenarios, headless: users of the gRPC face, of the HTTP face and of both, half of them for either tenant.

    python -m benchmarks.traffic
    CONCH_KEYS=acme=KEY,beta=KEY python -m benchmarks.traffic --grpc-address HOST:8001 --host http://HOST:8000

Starts Triton, a gateway and an edge that asks for keys, unless it is told where one is. Locust's own report (HTML
and CSV) goes to --report. Callers and servers share this machine's cores.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.stack.fronted import fronted

HERE = Path(__file__).parent
RESULT = HERE / "results" / "traffic.json"
SCENARIOS = ("grpc_face", "http_face", "mixed")
MODELS = ("intent", "embedding")
KEYS = "CONCH_KEYS"
"""As benchmarks/locust/callers.py reads it; importing that would let Locust patch this process."""
TENANTS = """
[tenants.acme]
models = ["intent", "embedding"]

[tenants.beta]
calls_per_second = 100000
calls_at_once = 1000
"""


@dataclass(frozen=True, slots=True)
class Target:
    grpc: str
    http: str
    keys: str
    """As the environment variable CONCH_KEYS has them."""


@dataclass(frozen=True, slots=True)
class Line:
    """Of Locust's report."""

    scenario: str
    face: str
    name: str
    requests: int
    failures: int
    per_s: float
    p50_ms: float
    p99_ms: float


def main(
    users: Annotated[int, typer.Option(min=1)] = 12,
    seconds: Annotated[int, typer.Option(min=1, help="Of each scenario.")] = 20,
    report: Annotated[Path, typer.Option(help="A folder for Locust's HTML and CSV.")] = Path("build/traffic"),
    grpc_address: Annotated[str, typer.Option(help="An edge that runs already, host:port.")] = "",
    host: Annotated[str, typer.Option(help="The same edge's HTTP, http://host:port.")] = "",
) -> None:
    if bool(grpc_address) != bool(host):
        raise InvalidRequest("--grpc-address and --host belong to one edge: give both or neither")
    given = Target(grpc_address, host, os.environ.get(KEYS, ""))
    with contextlib.nullcontext(given) if host else own_target() as target:
        lines = [line for scenario in SCENARIOS for line in ridden(scenario, target, users, seconds, report)]
    for line in lines:
        latency = f"p50 {line.p50_ms:7.1f}  p99 {line.p99_ms:7.1f}"
        print(f"{line.scenario:10} {line.face:5} {line.name:32} {line.per_s:7.1f}/s  {latency}  {line.failures} failed")
    document = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()[0]},
        "users": users,
        "seconds": seconds,
        "measured": [asdict(line) for line in lines],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


@contextlib.contextmanager
def own_target() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder, fronted(Path(folder), MODELS, tenants=TENANTS) as front:
        keys = ",".join(f"{tenant}={front.key(tenant)}" for tenant in ("acme", "beta"))
        yield Target(front.grpc, f"http://{front.http}", keys)


def ridden(scenario: str, target: Target, users: int, seconds: int, report: Path) -> Sequence[Line]:
    """Locust is a process of its own: it patches the one it is in. A failed request fails no run; it is counted."""
    report.mkdir(parents=True, exist_ok=True)
    stem = report / scenario
    command = [
        *(
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(HERE / "locust" / f"{scenario}.py"),
            "--headless",
            "--only-summary",
        ),
        *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s", "--stop-timeout", "30"),
        *("--host", target.http, "--grpc-address", target.grpc, "--exit-code-on-error", "0"),
        *("--csv", str(stem), "--html", f"{stem}.html", "--loglevel", "WARNING"),
        # Its CSV is written once a second, and lacks the last one.
        *("--json-file", str(stem)),
    ]
    environment = {**os.environ, KEYS: target.keys, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=seconds + 120)
    if done.returncode != 0:
        raise Unavailable(f"locust ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    entries = json.loads(stem.with_suffix(".json").read_text())
    return [_line(scenario, entry, seconds) for entry in (*entries, _together(entries))]


def _line(scenario: str, entry: Mapping[str, Any], seconds: int) -> Line:
    times_ms = [float(ms) for ms in entry["response_times"]]
    p50, p99 = np.percentile(np.repeat(times_ms, list(entry["response_times"].values())), (50, 99))
    requests, failures = entry["num_requests"], entry["num_failures"]
    per_s = round(requests / seconds, 1)
    return Line(scenario, entry["method"], entry["name"], requests, failures, per_s, float(p50), float(p99))


def _together(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    if not entries:
        raise Unavailable("locust ended without a single request")
    times: Counter[str] = Counter()
    for entry in entries:
        times.update(entry["response_times"])
    return {
        "method": "all",
        "name": "together",
        "num_requests": sum(entry["num_requests"] for entry in entries),
        "num_failures": sum(entry["num_failures"] for entry in entries),
        "response_times": times,
    }


if __name__ == "__main__":
    typer.run(main)
