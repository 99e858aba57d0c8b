"""A folder of recordings, with what is said in them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from bridge.wearables.recording import Recording, read
from conch.contracts.errors import InvalidRequest

MANIFEST = "manifest.tsv"
"""Columns file, transcript and, where several languages are mixed, lang."""


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    said: str | None
    """Empty: nothing. None: nobody wrote it down."""
    recording: Recording


def clips_of(folder: Path, language: str = "") -> list[Clip]:
    """Those of its manifest, in this language where it names languages; else each WAV, with the text file of its name
    beside it."""
    clips = _listed(folder, language) if (folder / MANIFEST).is_file() else _found(folder)
    if not clips:
        raise InvalidRequest(f"{folder} has no WAV files{f' in language {language}' if language else ''}")
    return clips


def _found(folder: Path) -> list[Clip]:
    return [Clip(file.name, _text_beside(file), read(file)) for file in sorted(folder.glob("*.wav"))]


def _text_beside(file: Path) -> str | None:
    text = file.with_suffix(".txt")
    return text.read_text(encoding="utf-8").strip() if text.is_file() else None


def _listed(folder: Path, language: str) -> list[Clip]:
    try:
        with (folder / MANIFEST).open(encoding="utf-8", newline="") as lines:
            entries = list(csv.DictReader(lines, delimiter="\t"))
        return [
            Clip(entry["file"], _said(entry["transcript"]), read(folder / entry["file"]))
            for entry in entries
            if not language or entry.get("lang", language) == language
        ]
    except (KeyError, csv.Error) as error:
        raise InvalidRequest(f"{folder / MANIFEST} is no manifest of file and transcript: {error!r}") from error


def _said(transcript: str) -> str | None:
    # A list of slots (`intent=...; size=...`) says what was meant, not what was said.
    return None if "=" in transcript else transcript.strip()
