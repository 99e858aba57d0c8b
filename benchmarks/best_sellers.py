"""Best sellers of categories as the gateway answers them: from Redis, and without it from the rollups or the snapshot.

    python -m benchmarks.best_sellers

In the gateway's process, without its faces, one call after the other over categories of a made-up catalogue, and as
often for `everything`. `rollups` asks for each category the first time, while another process has the rollups open to
write, `remembered` once more, `snapshot` where none are published. `kept` is the share of answers that came from where
they should: the others were late, and the snapshot answered.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.shop import Shop, machine, made_up
from conch.contracts.identity import Identity
from conch.stores.ids import IdIndex, Kind
from gateway.calls import Call
from gateway.recommending.best_sellers import FROM_ROLLUPS, FROM_SNAPSHOT, SellingBest
from gateway.recommending.shelf import Shelves

NOBODY = "127.0.0.1:1"
K = 20
RESULT = Path(__file__).parent / "results" / "best_sellers.json"


def main(
    masters: Annotated[int, typer.Option(min=100)] = 20_000,
    categories: Annotated[int, typer.Option(help="That are asked for.")] = 200,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    """Measure BestSellers with Redis, and without."""
    before = machine()
    with tempfile.TemporaryDirectory() as name, made_up(Path(name) / "shop", masters) as shop:
        ids = IdIndex.open(shop.catalogue.ids)
        names = [ids.text(Kind.CATEGORIES, number) for number in range(ids.size(Kind.CATEGORIES))][:categories]
        rollups_bytes = sum(file.stat().st_size for file in shop.catalogue.published_rollups.glob("*/*"))
        found = measured(shop, names)
    document = {
        "machine": before,
        "masters": masters,
        "categories": len(names),
        "rollups_bytes": rollups_bytes,
        "conch": found,
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


def measured(shop: Shop, names: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    found = asyncio.run(asked_at(shop, shop.redis, names, {"redis": ""}))
    found |= asyncio.run(asked_at(shop, shop.redis, [""] * len(names), {"everything": ""}))
    writing = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", writing, str(shop.catalogue.rollups)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
        found |= asyncio.run(asked_at(shop, NOBODY, names, {"rollups": FROM_ROLLUPS, "remembered": FROM_ROLLUPS}))
        writer.stdin.close()
    shutil.rmtree(shop.catalogue.published_rollups)
    found |= asyncio.run(asked_at(shop, NOBODY, names, {"snapshot": FROM_SNAPSHOT}))
    return found


async def asked_at(
    shop: Shop, redis: str, names: Sequence[str], ways: Mapping[str, str]
) -> dict[str, Mapping[str, float]]:
    with closing(Shelves.at(str(shop.catalogues), redis)) as shelves:
        return {way: await asked(shelves, names, told) for way, told in ways.items()}


async def asked(shelves: Shelves, names: Sequence[str], told: str) -> Mapping[str, float]:
    """`told` is what an answer from the right place says; empty: nothing."""
    selling = SellingBest(shelves)
    call = Call(Identity(), time.monotonic() + 3_600)
    await shelves.of("default")  # opens the files
    times, kept = [], 0
    for name in names:
        began = time.perf_counter()
        answer = await selling.best_sellers(name, K, call)
        times.append(1e3 * (time.perf_counter() - began))
        kept += answer.degraded == ((told,) if told else ())
    p50, p99, most = np.percentile(times, (50, 99, 100)).tolist()
    return {
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "max_ms": round(most, 2),
        "kept": round(kept / len(names), 3),
    }


if __name__ == "__main__":
    typer.run(main)
