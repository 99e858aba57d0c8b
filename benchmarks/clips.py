"""Speech with its words: recordings of a folder, or sentences that Piper speaks."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soundfile
import soxr

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array, ModelContext, Row, strings
from conch.models.piper import Piper

SENTENCES = (
    "Turn on the light above the workbench.",
    "Summon the maintenance team to the loading dock.",
    "Call the shift supervisor.",
    "What is the weather like tomorrow?",
    "Stop the conveyor belt.",
    "We moved the drills behind the ladders and the paint to the lower shelf.",
    "Please call the warehouse and ask them how many boxes arrived this morning.",
    "The forklift by the north gate needs a new battery, and somebody should bring the spare one before noon.",
    "My colleague found a crack in the second pump, so we closed the valve and told the night shift.",
    "If the alarm rings, leave by the back door, wait near the fence, and do not take the elevator.",
    "Yesterday a truck from the coast was late because of snow in the mountains, and the driver slept in his cabin.",
    "I would like a small coffee with milk.",
)


@dataclass(frozen=True, slots=True)
class Clip:
    said: str
    pcm16: Array
    """int16 at 16 kHz."""

    @property
    def seconds(self) -> float:
        return len(self.pcm16) / SPEECH_RATE


def recorded(folder: Path, language: str) -> list[Clip]:
    """Those of manifest.tsv (columns file, transcript, lang) in this language whose transcript is words."""
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
        entries = list(csv.DictReader(lines, delimiter="\t"))
    clips = [
        Clip(entry["transcript"], _at_16_khz(folder / entry["file"]))
        for entry in entries
        # A list of slots (`intent=...; size=...`) says what was meant, not what was said.
        if entry["lang"] == language and entry["transcript"] and "=" not in entry["transcript"]
    ]
    if not clips:
        raise InvalidRequest(f"manifest.tsv has {len(entries)} clips, and none with words in language {language}")
    return clips


def spoken(voice: Path, sentences: Sequence[str] = SENTENCES) -> list[Clip]:
    """`voice` is the folder of Piper's weights."""
    piper = Piper.load(ModelContext(voice))
    clips: list[Clip] = []
    for sentence in sentences:
        answers = list(piper.stream(Row({"text": strings([sentence])})))
        pcm = np.concatenate([answer["pcm16"] for answer in answers])
        clips.append(Clip(sentence, _resampled(pcm, int(answers[0]["sample_rate"].item()))))
    return clips


def word_error_rate(said: list[str], heard: list[str]) -> float:
    """Of words alone: case, punctuation and the spelling of small numbers are nobody's error."""
    return float(jiwer.wer([_words(text) for text in said], [_words(text) for text in heard]))


_SPELLED = {
    "mr": "mister", "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
    "7": "seven", "8": "eight", "9": "nine", "10": "ten", "11": "eleven", "12": "twelve",
}  # fmt: skip


def _words(text: str) -> str:
    return " ".join(_SPELLED.get(word, word) for word in re.findall(r"[\w']+", text.lower()))


def _at_16_khz(path: Path) -> Array:
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return _resampled(samples[:, 0], int(rate))


def _resampled(pcm: Array, rate: int) -> Array:
    return np.asarray(soxr.resample(pcm, rate, SPEECH_RATE, quality="HQ"), dtype=np.int16)
