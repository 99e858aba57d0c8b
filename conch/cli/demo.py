"""`conch demo [FILE]`: the main job, from nothing: a spoken command in, a decision and a spoken reply out.

Starts a stack of its own, and stops it again.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from conch.cli.connection import Key, connected
from conch.cli.console import FAILED, err, out
from conch.cli.speak import save_wav
from conch.clients.edge import Client
from conch.contracts.errors import InvalidRequest
from conch.contracts.voice import SpokenSentence, Understood
from conch.replies import reply_to
from conch.stack.state import default_root

COMMAND = "Please send the cleaning crew to the loading dock."

T = TypeVar("T")


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds of named stages, in the order they ran."""

    stages: list[tuple[str, float]] = field(default_factory=list)

    def time(self, name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.stages.append((name, (time.perf_counter() - start) * 1000))
        return result


def demo(
    file: Annotated[Path | None, typer.Argument(help="A spoken command; Piper speaks one where none is given.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to save the spoken reply.")] = Path("reply.wav"),
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="State folder of the demo's stack.")
    ] = None,
    key: Key = "",
) -> None:
    """Start a stack, send a spoken command through it, show what was made of it, stop the stack."""
    # Beside the default stack's folder, not in it: a stack that runs already is left alone.
    root = state or default_root().with_name(default_root().name + "-demo")
    with _own_stack(root), connected(root, key) as gateway:
        watch = Stopwatch()
        audio = _read(file) if file else _spoken_command(gateway, watch)
        understood = watch.time("understand, whole call", lambda: gateway.understand_audio(audio))
        reply = reply_to(understood)
        sentences = watch.time("speak the reply", lambda: list(gateway.speak_stream(reply)))
        save_wav(output, sentences)
        _show(understood, reply, output, watch)


@contextmanager
def _own_stack(root: Path) -> Iterator[None]:
    conch = [sys.executable, "-m", "conch.cli"]
    start = time.perf_counter()
    with err.status("starting Redis, Triton, the edge and the gateway"):
        up = subprocess.run([*conch, "up", "--detach", "--state", str(root)], check=False)
    if up.returncode != 0:
        raise typer.Exit(up.returncode)
    err.print(f"stack ready after {time.perf_counter() - start:.1f} s")
    try:
        yield
    finally:
        with err.status("stopping the stack"):
            down = subprocess.run([*conch, "down", "--state", str(root)], check=False, stdout=subprocess.DEVNULL)
        if down.returncode != 0:
            err.print(f"the stack in {root} did not stop as it should; see {root}/logs", style="red")
            raise typer.Exit(FAILED)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from None


def _spoken_command(gateway: Client, watch: Stopwatch) -> bytes:
    out.print(f'Piper says: "{COMMAND}"')
    return _wav(watch.time("speak the command", lambda: list(gateway.speak_stream(COMMAND))))


def _wav(sentences: list[SpokenSentence]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "command.wav"
        save_wav(path, sentences)
        return path.read_bytes()


def _show(understood: Understood, reply: str, output: Path, watch: Stopwatch) -> None:
    result = Table(show_header=False, title="What was understood", title_justify="left")
    result.add_row("transcript", understood.text or "(nothing was said)")
    result.add_row("language", understood.language)
    result.add_row("intent", understood.intent or "none")
    result.add_row("confidence", f"{understood.confidence:.3f}")
    result.add_row("decision", f"{understood.decision}: {understood.reason}")
    result.add_row("reply", f"{reply} ({output})")
    out.print(result)
    stages = Table("stage", "ms", title="Where the time went", title_justify="left")
    stages.columns[1].justify = "right"
    for name, ms in watch.stages:
        stages.add_row(name, f"{ms:.0f}")
        if name.startswith("understand"):
            for stage in understood.stages:
                stages.add_row(f"  {stage.name}", f"{stage.ms:.1f}")
    out.print(stages)
