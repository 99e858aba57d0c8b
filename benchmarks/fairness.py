"""What a noisy tenant costs a quiet one, and how much is answered when twice as much is asked as can be.

    python -m benchmarks.fairness

The model waits and does not compute, as one does whose work is on a GPU: callers and servers that share this machine's
cores do not take them from it. Rounds are interleaved, medians are told.
"""

import contextlib
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.open_loop import Calls, Generators, Outcome, Pace, percentile_ms
from benchmarks.ways import new_edge
from conch.stack.envoy import fronting
from conch.stack.serving import serving_repositories

RESULT = Path(__file__).parent / "results" / "fairness.json"
MODEL = "paced"
# As our models' configs are. A queue is as long as what is answered before somebody loses patience.
CONFIG = """
name: "paced"
backend: "python"
max_batch_size: 4
dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 30000000
    allow_timeout_override: true
    max_queue_size: 256
  }
}
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
"""
ENTRY_POINT = """
import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.02)
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(request, "IN").as_numpy())]
            )
            for request in requests
        ]
"""
BODY = {"inputs": [{"name": "IN", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}
NOISY_PER_S = 100
TIMES_ITS_LIMIT = 5
QUIET_PER_S = 100
WITHIN_S = 1.0
"""A later answer is no good: whoever asked has gone."""
MOST_PER_S = 400
"""Two instances, each a batch of four in 20 ms."""
RAMP = (0.8, 0.9, 1.0)
CALLERS = 64
"""Who take turns, eight full batches for each instance: something always waits."""
TENANTS = f"""
[tenants.quiet]

[tenants.noisy]
calls_per_second = {NOISY_PER_S}
calls_at_once = 4

[tenants.bounded]
calls_at_once = 64

[tenants.unbounded]
"""
AIMS = {"quiet_p99_by_alone": 2.0, "goodput_by_peak": 0.8}
"""The first at most, the second at least."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """The quiet tenant in one round, alone and beside the noisy one."""

    alone_p50_ms: float
    alone_p99_ms: float
    beside_p50_ms: float
    beside_p99_ms: float
    p99_by_alone: float
    lost: int
    """Calls of the quiet tenant that were not answered with 200."""
    noisy_per_s: float
    """Answered; the rest was refused."""
    refused_p99_ms: float


@dataclass(frozen=True, slots=True)
class Overload:
    """A tenant in one round, at twice the peak of that round; `late` came after those who asked had gone."""

    offered_per_s: float
    good_per_s: float
    late_per_s: float
    refused_per_s: float
    failed_per_s: float
    p50_ms: float
    p99_ms: float
    refused_p99_ms: float
    good_by_peak: float


@dataclass(frozen=True, slots=True)
class Bench:
    generators: Generators
    calls: Callable[[str], Calls]
    """Of a tenant."""
    seconds: float


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Of each measurement.")] = 8.0,
) -> None:
    quiet: list[Quiet] = []
    peaks: list[float] = []
    overloads: dict[str, list[Overload]] = {}
    with _bench(seconds) as bench:
        for _ in range(rounds):
            quiet.append(beside_a_noisy_one(bench))
            peaks.append(peak_per_s(bench))
            for name, calls in _overloaded(bench).items():
                overloads.setdefault(name, []).append(overloaded(bench, calls, peaks[-1]))
    document = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "load": round(os.getloadavg()[0], 2)},
        "rounds": rounds,
        "seconds": seconds,
        "aims": AIMS,
        "quiet": median(quiet),
        "peak_per_s": round(statistics.median(peaks), 1),
        "overload": {name: median(runs) for name, runs in overloads.items()},
    }
    print(json.dumps(document, indent=1))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def beside_a_noisy_one(bench: Bench) -> Quiet:
    mine = bench.calls("quiet"), Pace(per_s=QUIET_PER_S, seconds=bench.seconds)
    theirs = bench.calls("noisy"), Pace(per_s=NOISY_PER_S * TIMES_ITS_LIMIT, seconds=bench.seconds)
    (alone,) = bench.generators.run(mine)
    beside, noisy = bench.generators.run(mine, theirs)
    p99 = [percentile_ms(outcome.answered, 99) for outcome in (alone, beside)]
    return Quiet(
        percentile_ms(alone.answered, 50),
        p99[0],
        percentile_ms(beside.answered, 50),
        p99[1],
        p99[1] / p99[0],
        sum(outcome.sent - len(outcome.answered) for outcome in (alone, beside)),
        len(noisy.answered) / noisy.seconds,
        percentile_ms(noisy.times.get(429, ()), 99),
    )


def peak_per_s(bench: Bench) -> float:
    """The best of several loads: callers that take turns alone may be held up by Triton's pauses (docs/adr/0001)."""
    paces = [Pace(callers=CALLERS, seconds=bench.seconds)]
    paces += [Pace(per_s=part * MOST_PER_S, seconds=bench.seconds) for part in RAMP]
    outcomes = [bench.generators.run((bench.calls("bounded"), pace))[0] for pace in paces]
    return max(outcome.good(WITHIN_S) / outcome.seconds for outcome in outcomes)


def overloaded(bench: Bench, calls: Calls, peak: float) -> Overload:
    (outcome,) = bench.generators.run((calls, Pace(per_s=2 * peak, seconds=bench.seconds)))
    good, seconds = outcome.good(WITHIN_S), outcome.seconds
    return Overload(
        outcome.sent / seconds,
        good / seconds,
        (len(outcome.answered) - good) / seconds,
        outcome.refused / seconds,
        outcome.failed / seconds,
        percentile_ms(outcome.answered, 50),
        percentile_ms(outcome.answered, 99),
        _refused_p99_ms(outcome),
        good / seconds / peak,
    )


def _overloaded(bench: Bench) -> Mapping[str, Calls]:
    return {
        "calls_at_once = 64": bench.calls("bounded"),
        "the model's queue alone": bench.calls("unbounded"),
    }


def _refused_p99_ms(outcome: Outcome) -> float:
    return percentile_ms([*outcome.times.get(429, ()), *outcome.times.get(503, ())], 99)


def median(runs: Sequence[Quiet] | Sequence[Overload]) -> Mapping[str, float | None]:
    """Of each figure by itself; None where there was nothing to measure."""
    figures = [asdict(run) for run in runs]
    medians = {name: statistics.median(one[name] for one in figures) for name in figures[0]}
    return {name: None if value != value else round(value, 3) for name, value in medians.items()}


@contextlib.contextmanager
def _bench(seconds: float) -> Iterator[Bench]:
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        triton = running.enter_context(serving_repositories(folder / "triton", [_write_model(folder / "models")]))
        edge = new_edge(folder / "front", triton, None, workers=1)
        edge.tenants_file.write_text(TENANTS)
        keys = {tenant: edge.keys.create(tenant)[1] for tenant in ("quiet", "noisy", "bounded", "unbounded")}
        front = running.enter_context(fronting(edge))
        http = str(front.edge.settings.listening.http)

        def calls(tenant: str) -> Calls:
            return Calls(http, f"/v2/models/{MODEL}/infer", BODY, {"x-api-key": keys[tenant]})

        generators = running.enter_context(contextlib.closing(Generators(2)))
        # Processes start, and connections are made, before anything counts.
        generators.run(*((calls("unbounded"), Pace(per_s=QUIET_PER_S, seconds=3)) for _ in range(2)))
        yield Bench(generators, calls, seconds)


def _write_model(folder: Path) -> Path:
    version = folder / MODEL / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    (version / "model.py").write_text(ENTRY_POINT)
    return folder


if __name__ == "__main__":
    typer.run(main)
