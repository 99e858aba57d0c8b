"""How many live streams Conch and WhisperLive hold, each on the same machine with the same weights and clips.

    python -m benchmarks.voice_streams --with-peer

A stream is a device that says one clip after another at the pace of speech, in a session each, with a microphone's
hiss around it. More and more of them speak at once. A number is held where 95 of 100 texts are final within a second of
the clip's last sound, and the word error rate is within a point of a single stream's.

Conch is edge, gateway and Triton, asked by gRPC Voice.Listen; a text is final when its `final` event has come, which
waits for the silence that ends an utterance. Of WhisperLive's text the moment counts since which it did not change,
which is kinder than its own mark: that comes after many repetitions, and is told beside it.
"""

import asyncio
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import numpy as np
import typer

from benchmarks.clips import Clip, spoken, word_error_rate
from benchmarks.listener import listened
from benchmarks.peers.environment import WHISPER_LIVE, WHISPER_LIVE_ITSELF, peer_python
from benchmarks.peers.process import serving_peer
from benchmarks.whisper_live import transcribed
from bridge.wearables.recording import Recording
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array
from conch.stack.fronted import fronted
from conch.stack.repository import WeightFiles
from conch.weights.cache import WeightCache, default_root, verified_weights
from conch.weights.manifest import Manifest

RESULT = Path(__file__).parent / "results" / "voice_streams.json"
MODELS = ("whisper", "vad", "intent")
WEIGHTS = {"tiny": "whisper-tiny-en", "base": "whisper"}
SENTENCES = (
    "Summon the maintenance team to the loading dock.",
    "Turn on the light above the workbench.",
    "What is the weather like tomorrow?",
    "Send the cleaning crew to aisle five.",
    "Please call the warehouse and ask them how many boxes arrived this morning.",
)
STREAMS = (1, 2, 4, 8, 12, 16, 24)
LEAD_S, TAIL_S = 0.4, 2.4
"""Of hiss before and behind a clip."""

APART_S = 0.61
WITHIN_S = 1.0
WORDS_WITHIN = 0.01
AIM = 4.0
TENANTS = "[tenants.bench]\n"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was made of one clip."""

    said: str
    text: str
    final_s: float | None
    """After its last sound; None: no text came while it was listened to."""
    own_final_s: float | None
    """By the server's own word."""


Hear = Callable[[Clip, str], Awaitable[Heard]]
"""One clip, said by the device of this name."""


@dataclass(frozen=True, slots=True)
class Step:
    streams: int
    clips: int
    heard: int
    p50_s: float
    p95_s: float
    """A clip without text counts as one whose text came when nobody listened any more."""
    word_error_rate: float
    own_p95_s: float | None
    """None where it did not say of every text, in time, that it is final."""
    held: bool


def main(
    with_peer: Annotated[bool, typer.Option(help="Install WhisperLive, in an environment of its own.")] = False,
    weights: Annotated[str, typer.Option(help=f"One of {', '.join(WEIGHTS)}.")] = "tiny",
    streams: Annotated[list[int] | None, typer.Option(help="At once; several are measured in turn.")] = None,
    silence_s: Annotated[
        float, typer.Option(help="That ends an utterance, at Conch; the gateway's default is 0.7.")
    ] = 0.5,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    if not with_peer:
        print("left out: it needs WhisperLive with PyTorch, 5 GB; run python -m benchmarks.voice_streams --with-peer")
        return
    busy, begin = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = _files(WEIGHTS[weights])
        clips = spoken(_linked(folder / "voice", verified_weights(["piper"])["piper/1"]), SENTENCES)
        measured = asyncio.run(_measured(folder, files, clips, streams or STREAMS, silence_s))
    report = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine()},
        # Before the run: above 1, somebody else had a share of the cores.
        "load_average": busy,
        "versions": {name: version(name) for name in ("ctranslate2", "nvidia-pytriton")},
        "peer": WHISPER_LIVE_ITSELF[0],
        "weights": WEIGHTS[weights],
        "silence_s": silence_s,
        "clips": len(clips),
        "audio_s": round(sum(clip.seconds for clip in clips), 1),
        "seconds": round(time.perf_counter() - begin),
        "aim": AIM,
        **compared(measured),
    }
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def compared(measured: Mapping[str, Sequence[Step]]) -> dict[str, Any]:
    holds = {name: max((step.streams for step in steps if step.held), default=0) for name, steps in measured.items()}
    best = max(held for name, held in holds.items() if name != "conch")
    return {
        "holds": holds,
        # A peer that does not hold one stream is taken for one that does.
        "conch_by_the_better_peer": round(holds["conch"] / max(best, 1), 2),
        "steps": {name: [asdict(step) for step in steps] for name, steps in measured.items()},
    }


async def _measured(
    folder: Path, files: Mapping[str, Path], clips: Sequence[Clip], streams: Sequence[int], silence_s: float
) -> dict[str, list[Step]]:
    """One server at a time: none has a share of another's cores."""
    contestants: Mapping[str, Callable[[], contextlib.AbstractAsyncContextManager[Hear]]] = {
        "conch": lambda: _conch(folder / "conch", files, silence_s),
        "whisper-live": lambda: _whisper_live(_linked(folder / "serial", files), "serial"),
        "whisper-live, batching": lambda: _whisper_live(_linked(folder / "batching", files), "batching"),
    }
    measured = {}
    for name, serving in contestants.items():
        async with serving() as hear:
            measured[name] = await _steps(name, hear, clips, streams)
    return measured


async def _steps(name: str, hear: Hear, clips: Sequence[Clip], streams: Sequence[int]) -> list[Step]:
    """Up to the first number that is not held."""
    await hear(clips[0], "warming-up")
    steps: list[Step] = []
    for count in streams:
        single = steps[0].word_error_rate if steps else None
        steps.append(step_of(count, await _streams(hear, clips, count), single))
        print(f"{name}: {steps[-1]}", flush=True)
        if not steps[-1].held:
            break
    return steps


async def _streams(hear: Hear, clips: Sequence[Clip], count: int) -> list[Heard]:
    """Each says every clip, and begins with another one than its neighbour."""

    async def one(number: int) -> list[Heard]:
        await asyncio.sleep(number * APART_S % (LEAD_S + clips[0].seconds + TAIL_S))
        return [await hear(clips[(number + turn) % len(clips)], f"device-{number}") for turn in range(len(clips))]

    return [heard for some in await asyncio.gather(*map(one, range(count))) for heard in some]


def step_of(streams: int, heard: Sequence[Heard], single_word_error_rate: float | None) -> Step:
    """`single_word_error_rate` is of one stream; None: this is it."""
    late = [TAIL_S if one.final_s is None else one.final_s for one in heard]
    own = [one.own_final_s for one in heard if one.own_final_s is not None]
    p50, p95 = (round(float(value), 3) for value in np.percentile(late, (50, 95)))
    words = word_error_rate([one.said for one in heard], [one.text for one in heard])
    allowed = (words if single_word_error_rate is None else single_word_error_rate) + WORDS_WITHIN
    return Step(
        streams,
        len(heard),
        sum(one.final_s is not None for one in heard),
        p50,
        p95,
        round(words, 4),
        round(float(np.percentile(own, 95)), 3) if len(own) == len(heard) else None,
        p95 <= WITHIN_S and words <= allowed,
    )


@contextlib.asynccontextmanager
async def _conch(folder: Path, files: Mapping[str, Path], silence_s: float) -> AsyncIterator[Hear]:
    served = verified_weights(MODELS)
    detector = {"silero_vad.onnx": served["whisper/1"]["silero_vad.onnx"]}
    weights: WeightFiles = {**served, "whisper/1": {**files, **detector}}
    settings = {"LISTEN_SILENCE_S": str(silence_s)}
    with fronted(folder, MODELS, tenants=TENANTS, weights=weights, gateway=settings) as front:
        key = front.key("bench")

        async def hear(clip: Clip, device: str) -> Heard:
            pcm, last = _around(clip)
            told = await listened(front.grpc, key, device, pcm, ())
            finals = [came for came in told.came if came.event.HasField("final") and came.event.final.text]
            text = " ".join(came.event.final.text for came in finals)
            final_s = finals[-1].at - told.captured_at(last) if finals else None
            return Heard(clip.said, text, final_s, final_s)

        yield hear


@contextlib.asynccontextmanager
async def _whisper_live(folder: Path, mode: str) -> AsyncIterator[Hear]:
    python = peer_python("whisper_live", WHISPER_LIVE, WHISPER_LIVE_ITSELF)
    with serving_peer(python, "whisper_live_server.py", str(folder), mode) as address:
        async with aiohttp.ClientSession() as client:

            async def hear(clip: Clip, _: str) -> Heard:
                pcm, last = _around(clip)
                told = await transcribed(client, address, pcm)
                end = told.captured_at(last)
                settled, completed = told.settled_at, told.completed_at
                return Heard(
                    clip.said,
                    told.text,
                    None if settled is None else settled - end,
                    None if completed is None else completed - end,
                )

            yield hear


def _around(clip: Clip) -> tuple[Array, int]:
    """The clip in its hiss, and the sample at which its last sound ends."""
    loud = Recording(clip.pcm16.tobytes(), SPEECH_RATE).loud_s()
    assert loud is not None
    pcm = np.concatenate([_hiss(LEAD_S), clip.pcm16, _hiss(TAIL_S)])
    return pcm, round((LEAD_S + loud[1]) * SPEECH_RATE)


def _hiss(seconds: float) -> Array:
    """Not digital silence: a microphone always hisses a little."""
    return np.random.default_rng(7).normal(0, 20, round(seconds * SPEECH_RATE)).astype(np.int16)


def _files(model: str) -> dict[str, Path]:
    cache = WeightCache(default_root())
    return {file.file: cache.verify(file) for file in Manifest.read().files_of(model)}


def _linked(folder: Path, files: Mapping[str, Path]) -> Path:
    folder.mkdir()
    for name, path in files.items():
        (folder / name).symlink_to(path)
    return folder


if __name__ == "__main__":
    typer.run(main)
