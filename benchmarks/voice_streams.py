"""How many live streams Conch and WhisperLive hold, each on the same machine with the same weights and clips.

    python -m benchmarks.voice_streams --with-peer

A stream is a device that says one clip after another at the pace of speech, in a session each, with a microphone's
hiss around it. More and more of them speak at once. A number is held where 95 of 100 texts are final within a second of
the clip's last sound, and the word error rate is within a point of a single stream's.

Conch is edge, gateway and Triton, asked by gRPC Voice.Listen, and then by wearables through an MQTT broker and the
bridge, which speaks its replies too. A text is final when its `final` event has come, which waits for the silence that
ends an utterance. Of WhisperLive's text the moment counts since which it did not change, which is kinder than its own
mark: that comes after many repetitions, and is told beside it.
"""

import asyncio
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.clips import Clip, spoken, word_error_rate
from benchmarks.peers.environment import WHISPER_LIVE_ITSELF
from benchmarks.stream_servers import LEAD_S, TAIL_S, Hear, Heard, conch, conch_by_mqtt, whisper_live
from conch.weights.cache import WeightCache, default_root, verified_weights
from conch.weights.manifest import Manifest

RESULT = Path(__file__).parent / "results" / "voice_streams.json"
WEIGHTS = {"tiny": "whisper-tiny-en", "base": "whisper"}
SENTENCES = (
    "Summon the maintenance team to the loading dock.",
    "What is the weather like tomorrow?",
    "Send the cleaning crew to aisle five.",
    "Please call the warehouse and ask them how many boxes arrived this morning.",
)
STREAMS = (1, 2, 4, 8, 12, 16, 24)
APART_S = 0.61
WITHIN_S = 1.0
WORDS_WITHIN = 0.01
AIM = 4.0


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
    best = max(held for name, held in holds.items() if not name.startswith("conch"))
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
        "conch": lambda: conch(folder / "conch", files, silence_s),
        "conch, by mqtt": lambda: conch_by_mqtt(folder / "wearables", files, silence_s, max(streams)),
        "whisper-live": lambda: whisper_live(_linked(folder / "serial", files), "serial"),
        "whisper-live, batching": lambda: whisper_live(_linked(folder / "batching", files), "batching"),
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
