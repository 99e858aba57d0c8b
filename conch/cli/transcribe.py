"""`conch transcribe FILE…`: the text of recorded audio."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from conch.cli.connection import Key, State, connected
from conch.cli.console import FAILED, err, print_json
from conch.clients.edge import Client
from conch.contracts import voice
from conch.contracts.errors import ConchError, InvalidRequest
from conch.subtitles import Cue, to_srt, to_vtt


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="WAV, FLAC, Ogg (Vorbis, Opus) or MP3.", metavar="FILE…")],
    state: State = None,
    key: Key = "",
    language: Annotated[str, typer.Option(help="ISO 639-1, as en; detected where not given.")] = "",
    prompt: Annotated[str, typer.Option(help="Words to expect: names, places, jargon.")] = "",
    words: Annotated[bool, typer.Option("--words", help="Times of words too (shown by --json).")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a file.")] = False,
    srt: Annotated[bool, typer.Option("--srt", help="SubRip.")] = False,
    vtt: Annotated[bool, typer.Option("--vtt", help="WebVTT.")] = False,
) -> None:
    """Print the text of recorded audio; a file that fails is named, and the others go on."""
    chosen = [form for form, asked in ((Format.JSON, json), (Format.SRT, srt), (Format.VTT, vtt)) if asked]
    if len(chosen) > 1:
        raise typer.BadParameter("give one of --json, --srt and --vtt")
    form = chosen[0] if chosen else Format.TEXT
    failed = 0
    with connected(state, key) as gateway:
        for file in files:
            try:
                segments, summary = _transcribe(gateway, file, language, prompt, words)
            except ConchError as error:
                failed += 1
                err.print(f"{file}: {error.message}", style="red", markup=False, soft_wrap=True)
                continue
            _print(form, file, segments, summary, named=len(files) > 1)
    if failed:
        raise typer.Exit(FAILED)


def _transcribe(
    gateway: Client, file: Path, language: str, prompt: str, words: bool
) -> tuple[list[voice.Segment], voice.TranscriptSummary]:
    try:
        audio = file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot be read: {error.strerror}") from None
    segments: list[voice.Segment] = []
    summary = voice.TranscriptSummary("", "", 0.0)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(file.name, total=None)
        for event in gateway.transcribe_stream(audio, language=language, prompt=prompt, with_words=words):
            if isinstance(event, voice.Segment):
                segments.append(event)
            elif isinstance(event, voice.Progress):
                progress.update(task, total=event.duration_s, completed=event.done_s)
            elif isinstance(event, voice.TranscriptSummary):
                summary = event
    return segments, summary


def _print(
    form: Format, file: Path, segments: list[voice.Segment], summary: voice.TranscriptSummary, *, named: bool
) -> None:
    cues = [Cue(segment.start_s, segment.end_s, segment.text) for segment in segments]
    if form is Format.JSON:
        print_json(
            {
                "file": str(file),
                "text": summary.text,
                "language": summary.language,
                "duration_s": round(summary.duration_s, 3),
                "segments": [_segment(segment) for segment in segments],
            }
        )
    elif form is Format.SRT:
        typer.echo(to_srt(cues))
    elif form is Format.VTT:
        typer.echo(to_vtt(cues))
    else:
        typer.echo(f"{file}: {summary.text}" if named else summary.text)


def _segment(segment: voice.Segment) -> dict[str, Any]:
    return {
        "start_s": round(segment.start_s, 3),
        "end_s": round(segment.end_s, 3),
        "text": segment.text,
        "language": segment.language,
        "avg_logprob": round(segment.scores.avg_logprob, 4),
        "no_speech_prob": round(segment.scores.no_speech_prob, 4),
        "compression_ratio": round(segment.scores.compression_ratio, 3),
        "speech_s": round(segment.scores.speech_s, 3),
        "words": [
            {
                "text": word.text,
                "start_s": round(word.start_s, 3),
                "end_s": round(word.end_s, 3),
                "probability": round(word.probability, 4),
            }
            for word in segment.words
        ],
    }
