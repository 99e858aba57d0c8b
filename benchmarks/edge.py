"""What the edge costs: Triton bare, behind an Envoy that does nothing else, behind ours open, and with everything on.

    python -m benchmarks.edge

Client, proxy and server share this machine's cores, and the machine may have other work. So rounds are interleaved,
each way is held against the others of its own round, and medians over the rounds are told. What an Envoy works for one
call, in CPU time, is steadier than any latency.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer

from benchmarks.perf_analyzer import Face, Load, perf_analyzer
from benchmarks.ways import ENVOY, EVERYTHING, MODEL, TRITON, Way, Ways, four_ways

RESULT = Path(__file__).parent / "results" / "edge.json"
FACES = (Face.GRPC, Face.STREAM)
CONCURRENCIES = (1, 4, 16)
AIMS = {"throughput_by_envoy": 0.95, "p50_beyond_triton_ms": 0.25}
"""With everything on: of throughput at least, at every concurrency; of p50 at most, at concurrency 1."""


@dataclass(frozen=True, slots=True)
class Figures:
    per_s: float
    p50_ms: float
    p99_ms: float
    proxy_us: float
    """CPU time of the Envoy for one call, with what it works for none (health checks: 2 to 8 ms a second); 0.0 of bare
    Triton."""


@dataclass(frozen=True, slots=True)
class Line:
    """One way with one kind of load, by medians over the rounds; `by` and `beyond` are taken within each round."""

    face: Face
    concurrency: int
    way: str
    figures: Figures
    throughput_by_envoy: float
    p50_beyond_envoy_ms: float
    p50_beyond_triton_ms: float
    proxy_beyond_envoy_us: float


Round = Mapping[str, Figures]
"""By way."""


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    window_ms: Annotated[int, typer.Option(min=100, help="A third of one measurement.")] = 250,
    workers: Annotated[int, typer.Option(min=1, help="Envoy's threads.")] = 1,
) -> None:
    with tempfile.TemporaryDirectory() as folder, four_ways(Path(folder), workers) as ways:
        loads = [(face, concurrency) for face in FACES for concurrency in CONCURRENCIES]
        measured: dict[tuple[Face, int], list[Round]] = {load: [] for load in loads}
        for _ in range(rounds):
            for face, concurrency in loads:
                measured[face, concurrency].append(
                    {way.name: _measure(ways, way, face, concurrency, window_ms) for way in ways.ways}
                )
        revoked_ms = _revocation_ms(ways)
    lines = [line for (face, concurrency), run in measured.items() for line in compared(face, concurrency, run)]
    for line in lines:
        print(_told(line))
    print(f"a revoked key was refused after {revoked_ms:.0f} ms")
    document = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "load": round(os.getloadavg()[0], 2)},
        "workers": workers,
        "rounds": rounds,
        "revoked_ms": round(revoked_ms, 1),
        "aims": AIMS,
        "reached": reached(lines),
        "measured": [asdict(line) for line in lines],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def compared(face: Face, concurrency: int, rounds: Sequence[Round]) -> Sequence[Line]:
    """A line for each way, in the order of the first round."""
    return [_line(face, concurrency, way, rounds) for way in rounds[0]]


def _line(face: Face, concurrency: int, way: str, rounds: Sequence[Round]) -> Line:
    mine = [one[way] for one in rounds]
    names = ("per_s", "p50_ms", "p99_ms", "proxy_us")
    return Line(
        face,
        concurrency,
        way,
        Figures(**{name: _median([getattr(one, name) for one in mine]) for name in names}),
        _median([one[way].per_s / one[ENVOY].per_s for one in rounds]),
        _median([one[way].p50_ms - one[ENVOY].p50_ms for one in rounds]),
        _median([one[way].p50_ms - one[TRITON].p50_ms for one in rounds]),
        _median([one[way].proxy_us - one[ENVOY].proxy_us for one in rounds]),
    )


def reached(lines: Sequence[Line]) -> Mapping[str, float]:
    """Of each aim the worst line that it speaks of."""
    full = [line for line in lines if line.way == EVERYTHING]
    return {
        "throughput_by_envoy": min(line.throughput_by_envoy for line in full),
        "p50_beyond_triton_ms": max(line.p50_beyond_triton_ms for line in full if line.concurrency == 1),
    }


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 3)


def _told(line: Line) -> str:
    figures = line.figures
    return (
        f"{line.face:6} {line.concurrency:3} {line.way:32} {figures.per_s:7.0f}/s  p99 {figures.p99_ms:7.3f} ms"
        f"  p50 {figures.p50_ms:6.3f} ms, beyond triton {line.p50_beyond_triton_ms:6.3f} ms"
        f"  by envoy {line.throughput_by_envoy:.3f}  proxy {figures.proxy_us:4.0f} us"
    )


def _measure(ways: Ways, way: Way, face: Face, concurrency: int, window_ms: int) -> Figures:
    calls, worked_s = ways.calls(), way.proxy_cpu_s
    report = perf_analyzer(
        Load(way.address, MODEL, face, concurrency=concurrency, window_ms=window_ms, key=way.key, timeout_s=60.0)
    )
    worked_s = way.proxy_cpu_s - worked_s
    return Figures(report.per_s, report.p50_ms, report.p99_ms, worked_s / (ways.calls() - calls) * 1e6)


def _revocation_ms(ways: Ways) -> float:
    """From the command to the first refusal, on a connection that stays open."""
    (token,) = (way.key for way in ways.ways if way.key)
    url = f"http://{ways.edge.settings.listening.http}/v2"
    with httpx.Client(headers={"x-api-key": token}) as client:
        client.get(url).raise_for_status()
        start = time.perf_counter()
        ways.edge.keys.revoke(ways.key_id)
        while client.get(url).status_code == 200:
            pass
        return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    typer.run(main)
