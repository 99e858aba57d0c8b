"""Intent and embedding through Triton, against the bare ONNX session and, with --with-peer, against LitServe.

    python -m benchmarks.text_models --with-peer

One run, all on this machine: callers, servers and sessions share its cores, so ratios mean more than figures. Texts
are sentences of training/: for `intent` one, for `embedding` one to six of them, as titles and descriptions differ.
"""

import asyncio
import contextlib
import json
import os
import platform
import random
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import numpy as np
import onnxruntime
import typer
from tokenizers import Tokenizer
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.load import Call, Load, closed_loop, loop
from benchmarks.peers.environment import LITSERVE, peer_python
from benchmarks.peers.process import serving_peer
from conch.stack.serving import serving
from conch.weights.cache import verified_weights
from training import corpus
from training.examples import Examples

MODELS = ("intent", "embedding")
CONCURRENCIES = (1, 4, 16)
INSTANCES = 2
"""Of each model, in config.pbtxt and at the peer, with one thread each; the bare session gets as many threads."""

RESULT = Path(__file__).parent / "results" / "text_models.json"


def texts(model: str, count: int = 512) -> list[str]:
    rng = random.Random(1)
    said = [example.text for example in Examples(corpus.read(), ["word"]).take(count * 6, rng)]
    if model == "intent":
        return said[:count]
    return [" ".join(said[start : start + rng.choice((1, 1, 1, 2, 3, 6))]) for start in range(0, count * 6, 6)]


def bare(folder: Path, given: Sequence[str], seconds: float) -> Load:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = INSTANCES
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    names = {tensor.name for tensor in session.get_inputs()}

    def call(text: str) -> None:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        everything = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        session.run(None, {name: array for name, array in everything.items() if name in names})

    return loop(call, given, seconds)


@contextlib.asynccontextmanager
async def calling_triton(address: str, model: str) -> AsyncIterator[Call[str]]:
    async with InferenceServerClient(address) as client:

        async def call(text: str) -> None:
            tensor = InferInput("text", [1, 1], "BYTES")
            tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=object))
            await client.infer(model, [tensor])

        yield call


@contextlib.asynccontextmanager
async def calling_peer(address: str) -> AsyncIterator[Call[str]]:
    async with aiohttp.ClientSession() as session:

        async def call(text: str) -> None:
            async with session.post(f"http://{address}/predict", json={"text": text}) as answer:
                answer.raise_for_status()
                await answer.read()

        yield call


async def measure(calling: Any, given: Sequence[str], seconds: float) -> list[Load]:
    async with calling as call:
        await call(given[0])
        return [await closed_loop(call, given, concurrency, seconds) for concurrency in CONCURRENCIES]


def ratios(found: Mapping[str, Any]) -> dict[str, Any]:
    """Throughput of Triton over the others', at each concurrency; above 1, Triton is faster."""
    ours = {load["concurrency"]: load["per_s"] for load in found["triton"]}
    told: dict[str, Any] = {
        "triton_over_bare": {str(c): round(rate / found["bare"]["per_s"], 2) for c, rate in ours.items()}
    }
    if "litserve" in found:
        theirs = {load["concurrency"]: load["per_s"] for load in found["litserve"]}
        told["triton_over_litserve"] = {str(c): round(rate / theirs[c], 2) for c, rate in ours.items()}
    return told


def main(
    with_peer: Annotated[
        bool, typer.Option(help="Install LitServe in an environment of its own, and measure it.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 8.0,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    """Measure intent and embedding through Triton."""
    busy = os.getloadavg()[0]
    weights = verified_weights(list(MODELS))
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        with serving(Path(scratch), MODELS, weights) as server:
            for model in MODELS:
                loads = asyncio.run(measure(calling_triton(server.grpc, model), texts(model), seconds))
                results[model] = {"triton": [load.as_json() for load in loads]}
        for model in MODELS:
            folder = Path(scratch) / "repository" / model / "1"
            results[model]["bare"] = bare(folder, texts(model), seconds).as_json()
            if with_peer:
                python = peer_python("litserve", LITSERVE)
                with serving_peer(python, "litserve_text.py", str(folder), str(INSTANCES)) as address:
                    loads = asyncio.run(measure(calling_peer(address), texts(model), seconds))
                results[model]["litserve"] = [load.as_json() for load in loads]
            results[model]["ratios"] = ratios(results[model])
    report = {
        "machine": {"cpus": os.cpu_count(), "processor": _processor(), "python": platform.python_version()},
        # Before the run: above 1, somebody else had a share of the cores.
        "load_average": busy,
        "versions": {name: version(name) for name in ("nvidia-pytriton", "onnxruntime", "tokenizers", "tritonclient")},
        "peer": LITSERVE[0] if with_peer else None,
        "seconds": seconds,
        "results": results,
    }
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    typer.run(main)
