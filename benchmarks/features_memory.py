"""What a master costs in Redis: packed, against sorted sets, at three sizes; and what five million would.

    python -m benchmarks.features_memory

Writes relations and offers of masters in either form into an empty Redis and reads `used_memory`. Sorted sets and
hashes are the documented keys, of 100 related masters and six offers each, by their UUIDs.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from redis import Redis

from benchmarks.shop import machine, redis_server
from conch.contracts.features import Family, Packed, pack
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import CatalogueKeys, packed

SIZES = (2_000, 4_000, 8_000)
RELATED, OFFERS = 100, 6
"""Of a master: 5M masters with 30M offers."""
WHOLE = 5_000_000
AT_ONCE = 200
KEYS = CatalogueKeys()
RESULT = Path(__file__).parent / "results" / "features_memory.json"


def main(
    sizes: Annotated[list[int] | None, typer.Option(help="Masters, three times.")] = None,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    """Measure what a master costs."""
    before = machine()
    found: dict[str, dict[int, int]] = {"packed": {}, "documented": {}}
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as (address, _):
        host, _, port = address.rpartition(":")
        with Redis(host=host, port=int(port), protocol=2) as redis:
            for form, written in found.items():
                for size in sizes or SIZES:
                    written[size] = _used(redis, form, size)
    document: dict[str, Any] = {"machine": before, "related": RELATED, "offers": OFFERS}
    for form, written in found.items():
        per_master, fixed = np.polyfit(list(written), list(written.values()), 1)
        document[form] = {
            "bytes": written,
            "bytes_per_master": round(per_master),
            "mb_per_million": round(per_master),
            f"gb_for_{WHOLE}": round((per_master * WHOLE + fixed) / 1e9, 1),
        }
    document["documented_by_packed"] = round(
        document["documented"]["bytes_per_master"] / document["packed"]["bytes_per_master"], 1
    )
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


def _used(redis: Redis, form: str, masters: int) -> int:
    """Bytes more than when it was empty."""
    redis.flushall()
    empty: int = redis.info("memory")["used_memory"]
    random = np.random.default_rng(1)
    names = texts_of(random.integers(0, 256, (masters, 16), np.uint8))
    pids = texts_of(random.integers(0, 256, (masters * OFFERS, 16), np.uint8))
    for some in _batches(range(masters)):
        with redis.pipeline(transaction=False) as pipeline:
            for row in some:
                related = random.choice(masters, RELATED, replace=False)
                scores = random.random(RELATED, np.float32).round(4)
                offers = range(row * OFFERS, (row + 1) * OFFERS)
                if form == "packed":
                    _pack(pipeline, names[row], related, scores, offers)
                else:
                    pipeline.zadd(
                        KEYS.semantic(names[row]),
                        {names[other]: float(score) for other, score in zip(related, scores, strict=True)},
                    )
                    fields: dict[Any, Any] = {pids[offer]: f"19.90:seller-{offer % 1000}:4.5" for offer in offers}
                    pipeline.hset(KEYS.offers(names[row]), mapping=fields)
            pipeline.execute()
    used: int = redis.info("memory")["used_memory"]
    return used - empty


def _pack(pipeline: Any, name: str, related: Any, scores: Any, offers: Sequence[int]) -> None:
    relations = pack(Packed(Family.SEMANTIC, {"ids": related.astype(np.uint32), "scores": scores}, 1))
    columns: Mapping[str, Any] = {
        "pids": np.array(offers, np.uint32),
        "prices": np.full(len(offers), 19.9, np.float32),
        "sellers": np.array(offers, np.uint32) % 1_000,
        "ratings": np.full(len(offers), 4.5, np.float32),
    }
    pipeline.set(packed(KEYS.semantic(name)), relations)
    pipeline.set(packed(KEYS.offers(name)), pack(Packed(Family.OFFERS, columns, 1)))


def _batches(rows: range) -> Iterator[range]:
    for at in range(0, len(rows), AT_ONCE):
        yield rows[at : at + AT_ONCE]


if __name__ == "__main__":
    typer.run(main)
