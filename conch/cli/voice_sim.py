"""`conch voice-sim`: many wearables at once over MQTT, and what came of what they said."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bridge.mqtt import Broker
from bridge.wearables.clips import Clip, clips_of
from bridge.wearables.recording import Recording
from bridge.wearables.report import Percentiles, Report
from bridge.wearables.simulation import SILENCE_S, Turn, registered, simulate
from conch.cli.connection import Key, State, connected
from conch.cli.console import FAILED, err, out, print_json, reporting_errors
from conch.cli.wearable import broker_of, devices_file
from conch.clients.edge.results import Speech
from conch.contracts.errors import ConchError
from conch.contracts.topics import DeviceId
from conch.stack.state import StateFolder, default_root

COMMANDS = (
    "Summon the maintenance team to the loading dock.",
    "Call the shift supervisor.",
    "Please send the cleaning crew to aisle five.",
    "What is the weather like tomorrow?",
    "Stop the conveyor belt.",
    "Send security to the north gate.",
)
"""What Piper speaks where no clips are given."""


def voice_sim(
    devices: Annotated[int, typer.Option("--devices", "-n", min=1, max=500, help="At once.")] = 4,
    clips: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="WAV files, each with its words in a .txt beside it, or a manifest.tsv; default: commands by Piper.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0, help="Each device begins another clip while fewer have passed.")
    ] = 20.0,
    language: Annotated[str, typer.Option(help="ISO 639-1, of the devices and the clips; empty: detected.")] = "en",
    state: State = None,
    key: Key = "",
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Let N devices speak at the pace of people; report words, latencies, decisions and the accounts of samples.

    The devices are registered for the run. Exits 1 where an account does not balance. What they say is acted on like
    anybody's words.
    """
    with reporting_errors():
        folder = StateFolder(state or default_root())
        broker = broker_of(folder, "conch-voice-sim")
        spoken = clips_of(clips, language) if clips else _commands(folder.root, key)
        with registered(devices_file(folder), devices, language) as names:
            report = Report.of(_turns(broker, names, spoken, seconds), devices)
    if as_json:
        print_json(report.to_json())
    else:
        _show(report)
    if report.unbalanced:
        raise typer.Exit(FAILED)


def _commands(root: Path, key: str) -> list[Clip]:
    with connected(root, key) as gateway, err.status("Piper speaks the commands"):
        return [Clip(command, command, _recording(gateway.speak(command))) for command in COMMANDS]


def _recording(speech: Speech) -> Recording:
    return Recording(speech.pcm16, speech.sample_rate)


def _turns(broker: Broker, names: list[DeviceId], clips: list[Clip], seconds: float) -> list[Turn]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    expected = seconds + max(clip.recording.seconds for clip in clips) + SILENCE_S
    turns: list[Turn] = []
    failures: list[BaseException] = []

    async def run(progress: Progress) -> None:
        task, begin = progress.add_task(f"{len(names)} devices", total=expected), time.monotonic()

        def done(turn: Turn) -> None:
            turns.append(turn)
            told = f"{len(names)} devices, {len(turns)} clips said"
            progress.update(task, completed=min(time.monotonic() - begin, expected), description=told)

        await simulate(broker, names, clips, seconds, done)

    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        try:
            asyncio.run(run(progress))
        except* ConchError as failed:
            failures += failed.exceptions
    if failures:
        raise failures[0]
    return turns


def _show(report: Report) -> None:
    told = Table(show_header=False, box=None, pad_edge=False)
    told.add_row("clips said", f"{report.turns} by {report.devices} devices, {report.audio_s} s of audio")
    rate = report.word_error_rate
    told.add_row("words wrong", "nobody wrote down what is said" if rate is None else f"{100 * rate:.1f} %")
    told.add_row("first partial", _latency(report.first_partial, "after the first sound"))
    told.add_row("final", _latency(report.final, "after the last sound"))
    told.add_row("unheard", str(report.unheard))
    told.add_row("decisions", ", ".join(f"{count} {name}" for name, count in report.decisions.items()) or "none")
    told.add_row(
        "samples",
        f"received {report.received} + gap {report.gap} + dropped {report.dropped}"
        f" {'≠' if report.unbalanced else '='} sent {report.sent}",
    )
    out.print(told)
    for line in report.unbalanced:
        err.print(f"does not balance: {line}", style="red", markup=False, soft_wrap=True)
    for error in report.errors:
        err.print(f"a device was told: {error}", style="yellow", markup=False, soft_wrap=True)


def _latency(found: Percentiles | None, since: str) -> str:
    if found is None:
        return "none"
    return f"p50 {found.p50_s:.2f} s, p95 {found.p95_s:.2f} s, p99 {found.p99_s:.2f} s {since}"
