"""What the gate lets through: commands and what is none, spoken into noise; false acts, and commands that are missed.

    python -m benchmarks.gate [--recordings FOLDER]

Piper speaks, Whisper and the intent model hear it clean and with noise from 20 to -5 dB, in this process; recordings of
people who command nothing join, and noise in which nobody is meant. The same texts are decided twice: by how they were
heard, and as if they had been written. A false act does what was not asked, or calls somebody else; how a place or a
team is spelled counts for nothing. About five minutes.
"""

import csv
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import soxr
import typer

from benchmarks.clips import spoken
from conch.commands.contacts import Contact, callee
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds
from conch.contracts.voice import Scores
from conch.decision import DIAL, SUMMON, Action, Understanding, decide
from conch.models.base import Array, ModelContext, Row, strings
from conch.models.intent import Intent
from conch.models.whisper import Whisper
from conch.stack.repository import checkout
from conch.weights.cache import verified_weights

RESULT = Path(__file__).parent / "results" / "gate.json"
SUMMONS = (
    "Summon the cleaning crew to aisle five.",
    "Send the maintenance team to the loading dock.",
    "We need security at the north gate.",
    "Send the medical team to line three.",
    "Dispatch the forklift crew to bay seven.",
    "Summon the maintenance team.",
    "Please send the cleaners to the packing hall.",
    "Get the fire team to warehouse two.",
    "Call the electricians to the boiler room.",
    "Send somebody from logistics to dock nine.",
)
CALLS = {
    "Call John Smith.": "John Smith",
    "Please call Maria Lopez.": "Maria Lopez",
    "Dial Peter Young.": "Peter Young",
    "Phone Anna Kowalski.": "Anna Kowalski",
    "Call Ahmed Khan.": "Ahmed Khan",
    "Ring Susan Miller.": "Susan Miller",
    "Please call Nguyen Van Minh.": "Nguyen Van Minh",
    "Get me David Brown on the phone.": "David Brown",
    "Call Linda Chen right now.": "Linda Chen",
    "I want to talk to Robert Fischer.": "Robert Fischer",
}
OTHERS = ("Joan Smythe", "Mary Lopes", "Dan Braun", "Petra Jung")
"""Contacts who sound like those that are called."""
NO_COMMANDS = (
    "What is the weather like tomorrow?",
    "Do not call John Smith.",
    "Don't send the cleaning crew to aisle five.",
    "No need to summon the maintenance team.",
    "Turn on the light above the workbench.",
    "How many boxes arrived this morning?",
    "I called Maria yesterday and she was fine.",
    "The team was very good today.",
    "My phone is in the other room.",
    "We had coffee with John and Peter.",
    "Cancel the call to Anna.",
    "Never mind calling security.",
    "Stop the conveyor belt.",
    "The cleaning crew left aisle five an hour ago.",
    "She said that nobody should ring Peter.",
    "I would like a small coffee with milk.",
)
BABBLE = (
    "The forklift by the north gate needs a new battery before noon.",
    "Yesterday a truck from the coast was late because of snow in the mountains.",
    "If the alarm rings, leave by the back door and wait near the fence.",
    "My colleague found a crack in the second pump, so we closed the valve.",
)
SNRS_DB = (20, 10, 5, 0, -5)
BOUNDS = (-1.0, -0.9, -0.8, -0.7, -0.6, -0.5, -0.4, -0.3)
CONTACTS = tuple(Contact(name) for name in (*CALLS.values(), *OTHERS))


@dataclass(frozen=True, slots=True)
class Said:
    kind: str
    """summons, calls, no commands, recordings, or noise."""
    text: str
    pcm16: Array


@dataclass(frozen=True, slots=True)
class Heard:
    said: Said
    noise: str
    snr_db: int | None
    understood: Understanding

    def outcome(self, thresholds: Thresholds) -> str:
        if not self.understood.text:
            return "no text"
        decision = decide(self.understood, thresholds).action
        return decision.value if decision is not Action.EXECUTE or self._right() else "false act"

    def as_if_written(self) -> "Heard":
        one = self.understood
        return Heard(
            self.said, self.noise, self.snr_db, Understanding(one.text, one.intent, one.confidence, one.callee)
        )

    def _right(self) -> bool:
        one = self.understood
        if one.intent == SUMMON:
            return self.said.kind == "summons"
        return one.callee is not None and one.callee.names[:1] == (CALLS.get(self.said.text),)


def main(
    recordings: Annotated[Path | None, typer.Option(help="A folder with manifest.tsv: recordings and noise.")] = None,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        voice, whisper, intent = (_weights(folder / name, name) for name in ("piper", "whisper", "intent"))
        listener = _Listener(Whisper.load(ModelContext(whisper)), Intent.load(ModelContext(intent)))
        said, noises = _material(voice, recordings)
        heard = [listener.hear(*one) for one in _spoiled(said, noises)]
    report = {"load_average": busy, "utterances": len(heard), "noises": sorted(noises), **_report(heard)}
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


class _Listener:
    def __init__(self, whisper: Whisper, intent: Intent) -> None:
        self._whisper = whisper
        self._intent = intent

    def hear(self, said: Said, noise: str, snr_db: int | None, pcm16: Array) -> Heard:
        rate = np.array([SPEECH_RATE], np.int32)
        [answer] = self._whisper.predict([Row({"pcm16": pcm16, "sample_rate": rate, "language": strings(["en"])})])
        assert not isinstance(answer, Exception)
        text = str(answer["text"].item()).strip()
        [meant] = self._intent.predict([Row({"text": strings([text])})])
        assert not isinstance(meant, Exception)
        names = ("avg_logprob", "no_speech_prob", "compression_ratio", "speech_s")
        scores = Scores(**{name: float(answer[name].item()) for name in names})
        intent = str(meant["intent"].item())
        whom = callee(text, CONTACTS) if intent == DIAL else None
        return Heard(said, noise, snr_db, Understanding(text, intent, float(meant["confidence"].item()), whom, scores))


def _weights(folder: Path, model: str) -> Path:
    folder.mkdir()
    committed = checkout() / "model_repository" / model / "1"
    files = {path.name: path for path in committed.iterdir() if path.is_file() and path.suffix != ".py"}
    for name, path in {**files, **verified_weights([model]).get(f"{model}/1", {})}.items():
        (folder / name).symlink_to(path)
    return folder


def _material(voice: Path, recordings: Path | None) -> tuple[Sequence[Said], Mapping[str, Array]]:
    by_kind = {"summons": SUMMONS, "calls": tuple(CALLS), "no commands": NO_COMMANDS}
    said = [Said(kind, clip.said, clip.pcm16) for kind, texts in by_kind.items() for clip in spoken(voice, texts)]
    length = 20 * SPEECH_RATE
    murmurs = [np.resize(clip.pcm16, length) for clip in spoken(voice, BABBLE)]
    noises = {
        "white": np.random.default_rng(5).normal(0, 1, length),
        "babble": sum((np.roll(one, at * 7001) for at, one in enumerate(murmurs * 2)), np.zeros(length)),
    }
    if recordings is not None:
        with (recordings / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
            for entry in csv.DictReader(lines, delimiter="\t"):
                pcm16 = _at_16_khz(recordings / entry["file"])
                if entry["file"].startswith("noise-"):
                    noises[entry["file"].removeprefix("noise-").removesuffix(".wav")] = pcm16.astype(np.float64)
                elif entry["lang"] == "en":
                    said.append(Said("recordings", entry["transcript"], pcm16[: 15 * SPEECH_RATE]))
    return said, noises


def _spoiled(said: Sequence[Said], noises: Mapping[str, Array]) -> Iterator[tuple[Said, str, int | None, Array]]:
    chance = np.random.default_rng(7)
    for one in said:
        around = np.concatenate([np.zeros(6400), one.pcm16.astype(np.float64), np.zeros(4800)])
        yield one, "", None, around.astype(np.int16)
        for name, noise in noises.items():
            for snr_db in SNRS_DB:
                some = np.resize(np.roll(noise, -int(chance.integers(len(noise)))), len(around))
                gain = np.sqrt(np.mean(one.pcm16.astype(np.float64) ** 2) / np.mean(some**2) / 10 ** (snr_db / 10))
                yield one, name, snr_db, np.clip(around + gain * some, -32768, 32767).astype(np.int16)
    for name, noise in noises.items():
        for level in (300, 1500, 4000):
            for seconds in range(1, 6):
                some = np.resize(np.roll(noise, -int(chance.integers(len(noise)))), seconds * SPEECH_RATE)
                pcm16 = np.clip(some / np.sqrt(np.mean(some**2)) * level, -32768, 32767).astype(np.int16)
                yield Said("noise", "", pcm16), name, None, pcm16


def _at_16_khz(path: Path) -> Array:
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return np.asarray(soxr.resample(samples[:, 0], rate, SPEECH_RATE, quality="HQ"), dtype=np.int16)


def _report(heard: Sequence[Heard]) -> Mapping[str, Any]:
    return {
        "by_how_they_were_heard": _outcomes(heard, DEFAULT_THRESHOLDS),
        "as_if_written": _outcomes([one.as_if_written() for one in heard], DEFAULT_THRESHOLDS),
        "acts_by_least_logprob": {
            str(bound): _acts(heard, Thresholds(summon_logprob=bound, dial_logprob=bound)) for bound in BOUNDS
        },
        "false_acts_as_if_written": [
            {
                "said": one.said.text,
                "heard": one.understood.text,
                "noise": f"{one.noise} {one.snr_db} dB",
                "avg_logprob": None if one.understood.recognition is None else one.understood.recognition.avg_logprob,
            }
            for one in heard
            if one.as_if_written().outcome(DEFAULT_THRESHOLDS) == "false act"
        ],
    }


def _outcomes(heard: Sequence[Heard], thresholds: Thresholds) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in heard:
        counts[one.said.kind][one.outcome(thresholds)] += 1
    return counts


def _acts(heard: Sequence[Heard], thresholds: Thresholds) -> Mapping[str, int]:
    acts = Counter(
        f"{one.understood.intent} {outcome}"
        for one in heard
        if (outcome := one.outcome(thresholds)) in (Action.EXECUTE.value, "false act")
    )
    return dict(sorted(acts.items()))


if __name__ == "__main__":
    typer.run(main)
