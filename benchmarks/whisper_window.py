"""Our `whisper` through Triton beside faster-whisper: the same clips, weights and threads; words and CPU of each.

    python -m benchmarks.whisper_window [--clips FOLDER] [--rounds N]

CPU seconds are those of the whole server (tritonserver and its python stubs) or of the process that faster-whisper
runs in; clips go one at a time, one thread each, so that the ratio is of work and not of parallelism (`eight at once`
apart, which shows what batching saves). `named` is with the language given by the caller, so that nobody detects it.
"""

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
from faster_whisper import WhisperModel

from benchmarks.clips import Clip, recorded, spoken, word_error_rate
from benchmarks.cpu import cpu_s
from conch.clients.inference import Arrays, text_column
from conch.clients.triton import TritonInference
from conch.contracts.specs import SPEECH_RATE
from conch.stack.serving import Server, serving
from conch.weights.cache import verified_weights

RESULTS = Path(__file__).parent / "results" / "whisper_window.json"

Transcribe = Callable[[list[Clip]], list[str]]


@dataclass(frozen=True, slots=True)
class Contestant:
    transcribe: Transcribe
    process: psutil.Process
    """Where its CPU seconds are spent."""


def main() -> None:
    arguments = _arguments()
    weights = verified_weights(["whisper", "piper"])
    with tempfile.TemporaryDirectory() as scratch, asyncio.Runner() as runner:
        folder = Path(scratch)
        voice = _linked(folder / "voice", weights["piper/1"])
        clips = recorded(arguments.clips, arguments.language) if arguments.clips else spoken(voice)
        whisper = WhisperModel(
            str(_linked(folder / "weights", weights["whisper/1"])), "cpu", compute_type="int8", cpu_threads=1
        )
        with serving(folder / "triton", ["whisper"], weights) as server:
            contestants = {
                **_ours(runner, server, arguments.language),
                **_theirs(whisper, arguments.language),
            }
            results = _compared(contestants, clips, arguments.rounds)
    report = {
        "material": "recordings" if arguments.clips else "Piper",
        "clips": len(clips),
        "audio_s": round(sum(clip.seconds for clip in clips), 1),
        "rounds": arguments.rounds,
        "machine": platform.machine(),
        "versions": {name: version(name) for name in ("ctranslate2", "faster-whisper", "onnxruntime")},
        "results": results,
        "audio_s_per_cpu_s_of_conch_by": _ratios(results),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="a folder with manifest.tsv; without it Piper speaks")
    parser.add_argument("--language", default="en", help="of the clips")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _ours(runner: asyncio.Runner, server: Server, language: str) -> dict[str, Contestant]:
    def calling(language: str | None, at_once: int) -> Contestant:
        async def hear(triton: TritonInference, clip: Clip) -> str:
            inputs: Arrays = {
                "pcm16": clip.pcm16[np.newaxis],
                "sample_rate": np.array([[SPEECH_RATE]], np.int32),
                **({"language": text_column(language)} if language else {}),
            }
            return str((await triton.infer("whisper", inputs))["text"].item())

        async def hear_all(clips: list[Clip]) -> list[str]:
            async with TritonInference(server.grpc) as triton:
                return [
                    text
                    for some in _batched(clips, at_once)
                    for text in await asyncio.gather(*(hear(triton, clip) for clip in some))
                ]

        return Contestant(lambda clips: runner.run(hear_all(clips)), psutil.Process(server.process.pid))

    return {
        "conch": calling(None, 1),
        "conch, named": calling(language, 1),
        "conch, eight at once": calling(None, 8),
    }


def _theirs(whisper: WhisperModel, language: str) -> dict[str, Contestant]:
    def transcribing(beam_size: int, language: str | None) -> Contestant:
        def hear(clip: Clip) -> str:
            audio = clip.pcm16.astype(np.float32) / 32768
            segments, _ = whisper.transcribe(audio, beam_size=beam_size, language=language)
            return " ".join(segment.text for segment in segments)

        return Contestant(lambda clips: [hear(clip) for clip in clips], psutil.Process())

    return {
        "faster-whisper default": transcribing(5, None),
        "faster-whisper greedy": transcribing(1, None),
        "faster-whisper default, named": transcribing(5, language),
        "faster-whisper greedy, named": transcribing(1, language),
    }


def _compared(contestants: Mapping[str, Contestant], clips: list[Clip], rounds: int) -> dict[str, dict[str, float]]:
    """The median round of each."""
    for contestant in contestants.values():
        contestant.transcribe(clips[:1])
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    # Round by round, so that a busy minute of the machine falls on all.
    for number in range(rounds):
        for name, contestant in contestants.items():
            runs[name].append(_measured(contestant, clips))
            print(f"round {number + 1}: {name}: {runs[name][-1]}", flush=True)
    return {name: {key: statistics.median(run[key] for run in some) for key in some[0]} for name, some in runs.items()}


def _ratios(results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Detecting beside detecting, named beside named."""

    def speed(name: str) -> float:
        return results[name]["audio_s_per_cpu_s"]

    return {
        name: round(speed("conch, named" if name.endswith("named") else "conch") / speed(name), 2)
        for name in results
        if not name.startswith("conch")
    }


def _measured(contestant: Contestant, clips: list[Clip]) -> dict[str, float]:
    with _spent(contestant.process) as spent:
        heard = contestant.transcribe(clips)
    audio_s = sum(clip.seconds for clip in clips)
    return {
        "word_error_rate": round(word_error_rate([clip.said for clip in clips], heard), 4),
        "audio_s_per_cpu_s": round(audio_s / spent["cpu_s"], 2),
        "audio_s_per_s": round(audio_s / spent["wall_s"], 2),
    }


@contextmanager
def _spent(process: psutil.Process) -> Iterator[dict[str, float]]:
    """CPU seconds of the process and its children, and seconds of the clock."""
    spent: dict[str, float] = {}
    cpu_s, wall_s = _cpu_s(process), time.perf_counter()
    yield spent
    spent["cpu_s"], spent["wall_s"] = _cpu_s(process) - cpu_s, time.perf_counter() - wall_s


def _cpu_s(process: psutil.Process) -> float:
    # A benchmark's own children are the server: theirs is counted on its side.
    return float(sum(process.cpu_times()[:2])) if process.pid == psutil.Process().pid else cpu_s([process])


def _batched(clips: Sequence[Clip], size: int) -> list[Sequence[Clip]]:
    return [clips[start : start + size] for start in range(0, len(clips), size)]


def _linked(folder: Path, files: dict[str, Path]) -> Path:
    folder.mkdir(parents=True)
    for name, path in files.items():
        (folder / name).symlink_to(path)
    return folder


if __name__ == "__main__":
    main()
