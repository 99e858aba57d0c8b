"""Candidates and the whole of recommend through the edge, by KServe, against the obvious recommender on the same Redis.

    python -m benchmarks.recommend
    python -m benchmarks.recommend --masters 1000000 --seconds 20

Zipf-distributed shoppers of a made-up catalogue ask for the default widget. Beside it the gateway is asked the same,
which ranks four pages, keeps them, and makes words of the first: UUIDs, prices, and the reasons of each item. The load
generator, the edge, Triton and Redis share this machine's cores. CPU is of all servers' processes and of Redis, the
generator's beside it. The peer (benchmarks/peers/obvious_recommender.py) is called in its process, one call after the
other, three times: its middle figures count.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from benchmarks.cpu import cpu_by_part, cpu_s
from benchmarks.shop import Shop, machine, made_up, zipf
from benchmarks.shoppers import METHOD, Outcome, Pace, infer_bytes, shopped
from conch.contracts.pb.recommend.v1 import recommend_pb2 as pb
from conch.stack.fronted import fronted

MODELS = ("candidates", "promo_ranker", "recommend")
OUTPUTS: Mapping[str, Sequence[str]] = {
    "candidates": ("masters", "scores", "recommendation_id"),
    "recommend": ("items", "summary"),
}
"""What a caller wants: strings and columns that nobody asks for are not made."""
GATEWAY = "/conch.recommend.v1.Recommend/Recommend"
RESULT = Path(__file__).parent / "results" / "recommend.json"

_TOLD_MS = 0.005
"""CPU of a call; a part that works less is not told of."""


def main(
    masters: Annotated[int, typer.Option(min=100)] = 100_000,
    per_s: Annotated[float, typer.Option(help="The sustained rate.")] = 1_000.0,
    callers: Annotated[int, typer.Option(help="Who take turns, at saturation.")] = 48,
    gateway_per_s: Annotated[float, typer.Option(help="The gateway's sustained rate.")] = 50.0,
    gateway_callers: Annotated[int, typer.Option(help="Of the gateway, at saturation.")] = 16,
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 6.0,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    """Measure recommendation through the edge."""
    before = machine()
    with (
        tempfile.TemporaryDirectory() as name,
        made_up(Path(name) / "shop", masters) as shop,
        running(Path(name), shop) as (edge, triton, root),
    ):
        found: dict[str, Mapping[str, Any]] = {}
        # Before, between and after: a machine is faster in one minute than in the next.
        peers = [asked_peer(shop, seconds / 2)]
        for way, address in (("edge", edge), ("triton", triton)):
            found[way] = measured(address, root, shop, per_s, callers, seconds)
            peers.append(asked_peer(shop, seconds / 2))
        paces = {
            "sustained": Pace(per_s=gateway_per_s, seconds=seconds),
            "saturated": Pace(callers=gateway_callers, seconds=seconds),
        }
        found["gateway"] = {"recommend": by_the_gateway(edge, root, shop, paces)}
    peer = {model: sorted((one[model] for one in peers), key=itemgetter("cpu_ms"))[1] for model in OUTPUTS}
    ratios = {model: round(peer[model]["cpu_ms"] / found["edge"][model]["saturated"]["cpu_ms"], 1) for model in OUTPUTS}
    document = {
        "machine": before,
        "masters": masters,
        "users": shop.users,
        "conch": found,
        "obvious": {model: _rounded(figures) for model, figures in peer.items()},
        "throughput_per_core_by_the_obvious": ratios,
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


@contextlib.contextmanager
def running(folder: Path, shop: Shop) -> Iterator[tuple[str, str, psutil.Process]]:
    """Addresses of gRPC, and the process whose children serve."""
    stores = {"CATALOGUES": str(shop.catalogues), "REDIS_ADDRESS": shop.redis}
    with fronted(folder / "front", MODELS, weights={}, gateway=stores, models=shop.environment) as front:
        servers = front.edge.edge.settings.upstreams.tritons
        yield front.grpc, str(servers[0].grpc), psutil.Process()


def measured(
    address: str, root: psutil.Process, shop: Shop, per_s: float, callers: int, seconds: float
) -> Mapping[str, Any]:
    told: dict[str, Any] = {}
    for model, outputs in OUTPUTS.items():
        users = [f"user-{row}" for row in zipf(shop.users, 4_096, seed=1).tolist()]
        requests = [infer_bytes(model, {"user": [user]}, outputs) for user in users]
        shopped(address, requests, Pace(callers=8, seconds=1.0))  # relations of hot masters are remembered
        told[model] = {
            name: figures(root, address, requests, pace)
            for name, pace in (
                ("sustained", Pace(per_s=per_s, seconds=seconds)),
                ("saturated", Pace(callers=callers, seconds=seconds)),
            )
        }
    return told


def by_the_gateway(
    edge: str, root: psutil.Process, shop: Shop, paces: Mapping[str, Pace]
) -> Mapping[str, Mapping[str, Any]]:
    """Recommend of conch.recommend.v1, through the edge."""
    users = [f"user-{row}" for row in zipf(shop.users, 4_096, seed=1).tolist()]
    requests = [pb.RecommendRequest(user=user).SerializeToString() for user in users]
    shopped(edge, requests, Pace(callers=4, seconds=1.0), GATEWAY)
    return {name: figures(root, edge, requests, pace, GATEWAY) for name, pace in paces.items()}


def figures(
    root: psutil.Process, address: str, requests: Sequence[bytes], pace: Pace, method: str = METHOD
) -> Mapping[str, Any]:
    before, parts = cpu_s([root]), cpu_by_part(root)
    outcome: Outcome = shopped(address, requests, pace, method)
    after = cpu_by_part(root)
    answered = len(outcome.times_s)
    # The load lasts a second longer at either end than what is counted; the generator's own work has ended by now.
    share = outcome.seconds / (outcome.seconds + 2.0)
    times = np.array(outcome.times_s or [float("nan")]) * 1e3
    found = {
        "per_s": answered / outcome.seconds,
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "failed": outcome.failed,
        "cpu_ms": (cpu_s([root]) - before) * share / max(answered, 1) * 1e3,
        "generator_cores": outcome.cpu_s,
    }
    worked = {part: (cpu - parts.get(part, 0.0)) * share / max(answered, 1) * 1e3 for part, cpu in after.items()}
    by_part = {part: cpu for part, cpu in worked.items() if cpu > _TOLD_MS}
    return {**_rounded(found), "cpu_ms_by_part": _rounded(by_part)}


def asked_peer(shop: Shop, seconds: float) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.peers.obvious_recommender", shop.redis, str(shop.catalogues)]
    done = subprocess.run([*command, str(seconds), str(shop.users)], capture_output=True, text=True, check=True)
    answers: dict[str, dict[str, float]] = json.loads(done.stdout)
    return answers


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    typer.run(main)
