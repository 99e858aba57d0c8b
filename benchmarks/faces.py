"""OpenAI's embeddings and transcriptions: Conch and LitServe, with the same weights and threads, asked by one client.

    python -m benchmarks.faces

Conch is edge, gateway and Triton, with keys, limits and metrics on. Rounds are interleaved and the median round is
told, since the machine may have other work; callers and servers share its cores.
"""

import asyncio
import contextlib
import io
import json
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import soundfile
import typer
from openai import AsyncOpenAI

from benchmarks.clips import Clip, spoken, word_error_rate
from benchmarks.cpu import cpu_s
from benchmarks.load import Load, closed_loop, median, once_through
from benchmarks.peers.environment import LITSERVE, peer_python
from benchmarks.peers.process import serving_peer
from benchmarks.text_models import texts
from conch.contracts.specs import SPEECH_RATE
from conch.stack.fronted import Front, fronted
from conch.weights.cache import verified_weights

RESULT = Path(__file__).parent / "results" / "faces.json"
MODELS = ("embedding", "whisper", "vad")
TENANTS = """
[tenants.bench]
calls_per_second = 1000000
calls_at_once = 1000
"""
WORKERS = 2
"""At the peer, of one thread each: as many as ours have instances of `embedding` and encoders of `whisper`."""

LIST = 32
"""Texts of a call that brings many: what either side computes at once."""

DOES = {
    "conch": "checks a key and its limits, counts and logs; gathers what waits while it computes; computes texts of "
    "like length together; cuts silence, decodes greedily in the shortest window that is as accurate as 30 s",
    "litserve": "no keys, no limits, no counts; one call at a time in each worker; pads a list to its longest text; "
    "keeps silence, decodes greedily in windows of 30 s, again where faster-whisper doubts what it heard",
    "litserve, batching": "the same, gathering calls of one text for 5 ms, up to 32",
}
"""Both scale vectors to length 1 and answer in base64, as the client asks."""

Measure = Callable[[AsyncOpenAI], Awaitable[Load]]


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    client: AsyncOpenAI
    processes: Collection[psutil.Process]
    """All of the server's; the client is in none of them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call, and whom it is put to."""

    call: str
    concurrency: int
    contestants: Sequence[Contestant]
    measure: Measure
    rounds: dict[str, list[Load]] = field(default_factory=lambda: defaultdict(list))
    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of a call."""

    async def round(self) -> None:
        for one in self.contestants:
            before_s, begin = cpu_s(one.processes), time.perf_counter()
            load = await self.measure(one.client)
            # Warming up has cost, too, and is no call of the load's: what is known is cores in use.
            cores = (cpu_s(one.processes) - before_s) / (time.perf_counter() - begin)
            self.rounds[one.name].append(load)
            self.cpu_ms[one.name].append(cores / load.per_s * 1000)

    def as_json(self) -> dict[str, Any]:
        told = {
            name: {**median(loads).as_json(), "cpu_ms": round(statistics.median(self.cpu_ms[name]), 2)}
            for name, loads in self.rounds.items()
        }
        ours = told["conch"]
        by = {
            name: {
                figure: round(ours[figure] / theirs[figure], 2) for figure in ("per_s", "p50_ms", "p99_ms", "cpu_ms")
            }
            for name, theirs in told.items()
            if name != "conch"
        }
        return {"call": self.call, "concurrency": self.concurrency, "measured": told, "conch_by": by}


def main(
    seconds: Annotated[float, typer.Option(help="Of each measurement of embeddings.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1)] = 2,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch, fronted(Path(scratch), MODELS, tenants=TENANTS) as front:
        results = asyncio.run(_measured(Path(scratch), front, seconds, rounds))
    report = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine()},
        # Before the run: above 1, somebody else had a share of the cores.
        "load_average": busy,
        "versions": {name: version(name) for name in ("ctranslate2", "nvidia-pytriton", "onnxruntime", "openai")},
        "peer": LITSERVE[0],
        "does": DOES,
        "rounds": rounds,
        "seconds": seconds,
        **results,
    }
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


async def _measured(scratch: Path, front: Front, seconds: float, rounds: int) -> dict[str, Any]:
    served = scratch / "triton" / "repository"
    conch = Contestant("conch", _client(front.http, front.key("bench")), psutil.Process().children())
    return {
        "embeddings": await _embeddings(conch, served / "embedding" / "1", seconds, rounds),
        "transcriptions": await _transcriptions(conch, served / "whisper" / "1", scratch / "voice", rounds),
    }


async def _embeddings(conch: Contestant, folder: Path, seconds: float, rounds: int) -> dict[str, Any]:
    given = texts("embedding")
    lists = [given[start : start + LIST] for start in range(0, len(given), LIST)]
    with (
        _litserve("litserve", folder, "embeddings", "1") as single,
        _litserve("litserve, batching", folder, "embeddings", str(LIST)) as batching,
    ):
        cases = [
            *(Case("one text", c, (conch, single, batching), _embedding(given, c, seconds)) for c in (1, 4, 16)),
            # LitServe's spec takes lists only while it gathers nothing.
            *(Case(f"{LIST} texts", c, (conch, single), _embedding_all(lists[:4], c)) for c in (1, 4)),
        ]
        agreement = _least_cosine(await _vectors(conch, lists[0]), await _vectors(single, lists[0]))
        await _run(cases, rounds)
    return {"least_cosine": round(agreement, 6), "cases": [case.as_json() for case in cases]}


def _embedding(given: Sequence[str], concurrency: int, seconds: float) -> Measure:
    return lambda client: closed_loop(_embed(client), given, concurrency, seconds)


def _embedding_all(lists: Sequence[list[str]], concurrency: int) -> Measure:
    return lambda client: once_through(_embed(client), lists, concurrency)


def _embed(client: AsyncOpenAI) -> Callable[[str | list[str]], Awaitable[None]]:
    async def call(given: str | list[str]) -> None:
        await client.embeddings.create(model="embedding", input=given)

    return call


async def _vectors(contestant: Contestant, given: list[str]) -> Any:
    answer = await contestant.client.embeddings.create(model="embedding", input=given)
    return np.array([one.embedding for one in answer.data])


def _least_cosine(ours: Any, theirs: Any) -> float:
    """Of the pairs; lengths are divided out, so that it says nothing of who scales vectors."""
    return float(((ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)).min())


async def _transcriptions(conch: Contestant, folder: Path, voice: Path, rounds: int) -> dict[str, Any]:
    _link(voice, verified_weights(["piper"])["piper/1"])
    clips = spoken(voice)[::2]
    files = {clip.said: _wav(clip) for clip in clips}
    heard: dict[AsyncOpenAI, list[tuple[str, str]]] = defaultdict(list)

    def transcribing(concurrency: int) -> Measure:
        async def measure(client: AsyncOpenAI) -> Load:
            async def call(said: str) -> None:
                heard[client].append((said, await _transcribe(client, files[said])))

            return await once_through(call, list(files), concurrency)

        return measure

    with _litserve("litserve", folder, "transcriptions") as litserve:
        both = (conch, litserve)
        cases = [Case("recording", c, both, transcribing(c)) for c in (1, 4)]
        for one in both:
            await _transcribe(one.client, files[clips[0].said])
        await _run(cases, rounds)
    return {
        "clips": len(clips),
        "audio_s": round(sum(clip.seconds for clip in clips), 1),
        "word_error_rate": {
            one.name: round(word_error_rate(*map(list, zip(*heard[one.client], strict=True))), 4) for one in both
        },
        "cases": [case.as_json() for case in cases],
    }


async def _transcribe(client: AsyncOpenAI, wav: bytes) -> str:
    """Its language is for the server to hear."""
    return (await client.audio.transcriptions.create(model="whisper", file=("clip.wav", wav))).text


async def _run(cases: Sequence[Case], rounds: int) -> None:
    for number in range(rounds):
        for case in cases:
            await case.round()
            per_s = {name: round(loads[-1].per_s, 1) for name, loads in case.rounds.items()}
            print(f"round {number + 1}: {case.call}, {case.concurrency} at once, calls a second: {per_s}", flush=True)


@contextlib.contextmanager
def _litserve(name: str, folder: Path, *face: str) -> Iterator[Contestant]:
    before = set(psutil.Process().children())
    python = peer_python("litserve", LITSERVE)
    with serving_peer(python, "litserve_faces.py", str(folder), str(WORKERS), *face) as address:
        yield Contestant(name, _client(address, "none"), set(psutil.Process().children()) - before)


def _client(address: str, key: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0, timeout=60.0)


def _wav(clip: Clip) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, clip.pcm16, SPEECH_RATE, format="WAV")
    return file.getvalue()


def _link(folder: Path, files: Mapping[str, Path]) -> None:
    folder.mkdir()
    for name, path in files.items():
        (folder / name).symlink_to(path)


if __name__ == "__main__":
    typer.run(main)
