"""`make perf`: NVIDIA's perf_analyzer on the edge, or on any server that speaks KServe v2.

python -m tools.perf --url 127.0.0.1:8001 --model intent --concurrency 16 --face stream
"""

import sys
from typing import Annotated

import typer

from benchmarks.perf_analyzer import Face, Load, perf_analyzer
from conch.contracts.errors import ConchError


def main(
    url: Annotated[str, typer.Option(help="host:port of the edge's gRPC, or of its HTTP with --face http.")],
    model: Annotated[str, typer.Option()] = "intent",
    face: Annotated[Face, typer.Option()] = Face.GRPC,
    concurrency: Annotated[int, typer.Option(min=1)] = 1,
    text: Annotated[str, typer.Option(help="Sent to inputs that take text.")] = "call john in the warehouse",
    shape: Annotated[list[str] | None, typer.Option(help="NAME:1,2 of an input whose dimensions are open.")] = None,
    key: Annotated[str | None, typer.Option(envvar="CONCH_API_KEY")] = None,
) -> None:
    shapes = {
        name: [int(size) for size in sizes.split(",")] for name, _, sizes in (one.partition(":") for one in shape or [])
    }
    try:
        report = perf_analyzer(Load(url, model, face, concurrency, shapes=shapes, text=text, key=key))
    except ConchError as error:
        sys.exit(error.message)
    print(f"{model} over {face} at concurrency {concurrency}: {report.per_s:.0f}/s of {report.requests} requests")
    print("  ".join(f"{name} {getattr(report, f'{name}_ms'):.3f} ms" for name in ("p50", "p90", "p95", "p99")))


if __name__ == "__main__":
    typer.run(main)
