"""From the end of speech to the decision, live, through edge, gateway and Triton, with one listener and with several.

    python -m benchmarks.voice_latency

Listeners speak at the pace of speech, in chunks of 200 ms, begun at different moments. What is measured begins where
the endpoint silence has passed: `chunk` is until the device has sent the chunk in which it passes, `final` until the
text has come, `intent` and `decision` until these have. Beside them stand the gateway's own means of a call to each
model.
"""

import asyncio
import json
import os
import platform
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer

from benchmarks.clips import Clip, spoken
from benchmarks.listener import Spoken, listened
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array
from conch.stack.fronted import Front, fronted
from conch.weights.cache import verified_weights

RESULT = Path(__file__).parent / "results" / "voice_latency.json"
MODELS = ("whisper", "vad", "intent")
SENTENCES = (
    "Summon the maintenance team to the loading dock.",
    "Call John Smith.",
    "Send the cleaning crew to aisle five.",
    "What is the weather like tomorrow?",
    "Please call Maria Lopez.",
    "We need security at the north gate.",
)
CONTACTS = ("John Smith", "Maria Lopez", "Peter Young")
PAUSE_S = 1.5
"""Longer than the endpoint silence: each sentence is decided before the next."""
SILENCE_S, POST_ROLL_S = 0.7, 0.3
"""The gateway's defaults: an utterance is told with `POST_ROLL_S` of the silence that ends it."""
AIM_MS = 300.0
"""Of p95 beyond the endpoint silence, with one listener."""
TENANTS = "[tenants.bench]\n"


@dataclass(frozen=True, slots=True)
class Decision:
    """Of one utterance, in milliseconds from the moment at which the endpoint silence had passed."""

    chunk: float
    final: float
    intent: float
    decision: float

    def stages(self) -> dict[str, float]:
        return {
            "chunk": self.chunk,
            "final": self.final - self.chunk,
            "intent": self.intent - self.final,
            "decision": self.decision - self.intent,
            "beyond the endpoint silence": self.decision,
            "beyond, from the chunk": self.decision - self.chunk,
        }


def main(
    listeners: Annotated[list[int] | None, typer.Option(help="At once; several are measured in turn.")] = None,
    utterances: Annotated[int, typer.Option(min=1, help="Of each listener.")] = 8,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = _clips(folder / "voice")
        with fronted(folder, MODELS, tenants=TENANTS) as front:
            cases = asyncio.run(_measured(front, clips, listeners or [1, 4, 8], utterances))
    report = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine()},
        # Before the run: above 1, somebody else had a share of the cores.
        "load_average": busy,
        "silence_ms": SILENCE_S * 1000,
        "aim_p95_ms": AIM_MS,
        "cases": cases,
    }
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def _clips(folder: Path) -> list[Clip]:
    folder.mkdir()
    for name, path in verified_weights(["piper"])["piper/1"].items():
        (folder / name).symlink_to(path)
    return spoken(folder, SENTENCES)


async def _measured(front: Front, clips: Sequence[Clip], listeners: Sequence[int], utterances: int) -> list[Any]:
    key = front.key("bench")
    await _listeners(front.grpc, key, clips, 1, 1)  # warms caches and connections up
    cases = []
    for count in listeners:
        before = _model_seconds(front.metrics)
        decisions = await _listeners(front.grpc, key, clips, count, utterances)
        cases.append(
            {
                "listeners": count,
                "utterances": count * utterances,
                "decided": len(decisions),
                "ms": _percentiles(decisions),
                "met": bool(np.percentile([one.decision for one in decisions], 95) <= AIM_MS),
                "model_calls": _between(before, _model_seconds(front.metrics)),
            }
        )
        print(json.dumps(cases[-1]), flush=True)
    return cases


async def _listeners(
    address: str, key: str, clips: Sequence[Clip], listeners: int, utterances: int
) -> Sequence[Decision]:
    async def one(number: int) -> list[Decision]:
        # At different moments, as people are: else all would end a sentence at once.
        await asyncio.sleep(number * 0.37)
        pcm = _said(list(islice(cycle(clips), number, number + utterances)))
        told = await listened(address, key, f"device-{number}", pcm, CONTACTS)
        return list(_decisions(told))

    return [decision for some in await asyncio.gather(*map(one, range(listeners))) for decision in some]


def _said(clips: Sequence[Clip]) -> Array:
    parts = [_hiss(1.0)]
    for clip in clips:
        parts += [clip.pcm16, _hiss(PAUSE_S)]
    return np.concatenate(parts)


def _hiss(seconds: float) -> Array:
    """Not digital silence: a microphone always hisses a little."""
    return np.random.default_rng(7).normal(0, 20, round(seconds * SPEECH_RATE)).astype(np.int16)


def _decisions(told: Spoken) -> Iterator[Decision]:
    """Of the utterances that a silence ended."""
    at: dict[int, dict[str, float]] = defaultdict(dict)
    ends: dict[int, int] = {}
    for came in told.came:
        kind = str(came.event.WhichOneof("event"))
        if kind == "final" and came.event.final.text:
            ends[came.event.final.utterance] = came.event.final.end_offset
        if kind in ("final", "intent", "decision"):
            # A question that is called off is told as a second decision.
            at[getattr(came.event, kind).utterance].setdefault(kind, came.at)
    for utterance, end in ends.items():
        passed = end + round((SILENCE_S - POST_ROLL_S) * SPEECH_RATE)
        times = at[utterance]
        begin = told.captured_at(passed)
        yield Decision(
            chunk=(told.sent_at(passed) - begin) * 1000,
            **{kind: (times[kind] - begin) * 1000 for kind in ("final", "intent", "decision")},
        )


def _percentiles(decisions: Sequence[Decision]) -> dict[str, dict[str, float]]:
    by_stage: dict[str, list[float]] = defaultdict(list)
    for one in decisions:
        for stage, ms in one.stages().items():
            by_stage[stage].append(ms)
    return {
        stage: {f"p{p}": round(float(np.percentile(ms, p)), 1) for p in (50, 95, 100)} for stage, ms in by_stage.items()
    }


_STAGE = re.compile(r'conch_stage_seconds_(sum|count)\{(?=[^}]*stage="infer")[^}]*model="(\w+)"[^}]*\} (\S+)')


def _model_seconds(metrics: str) -> Mapping[tuple[str, str], float]:
    text = httpx.get(f"http://{metrics}/metrics", timeout=10.0).text
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for what, model, number in _STAGE.findall(text):
        totals[model, what] += float(number)
    return totals


def _between(
    before: Mapping[tuple[str, str], float], after: Mapping[tuple[str, str], float]
) -> dict[str, dict[str, float]]:
    """Calls that were answered: withdrawn ones are in no mean."""
    told = {}
    for model in MODELS:
        calls, seconds = (after[model, what] - before[model, what] for what in ("count", "sum"))
        told[model] = {"calls": int(calls), "mean_ms": round(seconds / calls * 1000, 1) if calls else 0.0}
    return told


if __name__ == "__main__":
    typer.run(main)
