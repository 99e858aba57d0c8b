"""Ranking a thousand masters: in the model, and by promo_ranker through the edge with one caller and with four.

python -m benchmarks.rerank
"""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.recommend import figures, running
from benchmarks.shop import Shop, machine, made_up
from benchmarks.shoppers import Pace
from conch.contracts.specs import RANKED_MOST
from conch.models.base import Row
from conch.models.promo_ranker import PromoRanker
from conch.models.shop import Shops
from conch.recommendation.scenarios import Scenarios

RESULT = Path(__file__).parent / "results" / "rerank.json"
OUTPUTS = ("items",)
CALLERS = (1, 4)
REQUESTS = 256


def main(
    masters: Annotated[int, typer.Option(min=2_000)] = 100_000,
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 5.0,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    """Measure promo_ranker."""
    before = machine()
    with tempfile.TemporaryDirectory() as name, made_up(Path(name) / "shop", masters) as shop:
        inside = in_the_model(shop, masters, seconds)
        requests = [_encoded(*one) for one in _asked(masters)]
        with running(Path(name), shop) as (edge, _, root):
            figures(root, edge, requests, Pace(callers=4, seconds=1.0))
            through = {str(c): figures(root, edge, requests, Pace(callers=c, seconds=seconds)) for c in CALLERS}
    document = {"machine": before, "masters": masters, "candidates": RANKED_MOST, "in_the_model": inside,
                "through_the_edge_by_callers": through}  # fmt: skip
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


def in_the_model(shop: Shop, masters: int, seconds: float) -> Mapping[str, float]:
    """One request at a time."""
    model = PromoRanker(Shops.of_environment(shop.environment), Scenarios.read())
    rows = [Row({"masters": some, "scores": scores}) for some, scores in _asked(masters)]
    for row in rows[:50]:
        model.predict([row])
    times: list[float] = []
    end = time.perf_counter() + seconds
    worked = time.process_time()
    while (began := time.perf_counter()) < end:
        model.predict([rows[len(times) % len(rows)]])
        times.append(time.perf_counter() - began)
    model.close()
    p50, p99 = np.percentile(np.array(times) * 1e3, (50, 99))
    cpu_ms = (time.process_time() - worked) / len(times) * 1e3
    return {"requests": len(times), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "cpu_ms": round(cpu_ms, 3)}


def _asked(masters: int) -> list[tuple[Any, Any]]:
    random = np.random.default_rng(1)
    return [
        (
            random.choice(masters, RANKED_MOST, replace=False).astype(np.uint32),
            np.sort(random.random(RANKED_MOST, np.float32))[::-1].copy(),
        )
        for _ in range(REQUESTS)
    ]


def _encoded(masters: Any, scores: Any) -> bytes:
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name="promo_ranker")
    for name, kind, array in (("masters", "UINT32", masters), ("scores", "FP32", scores)):
        request.inputs.add(name=name, datatype=kind, shape=[1, len(array)])
        request.raw_input_contents.append(array.tobytes())
    for name in OUTPUTS:
        request.outputs.add(name=name)
    return bytes(request.SerializeToString())


if __name__ == "__main__":
    typer.run(main)
