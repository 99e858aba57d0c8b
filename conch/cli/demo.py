"""`conch demo [FILE]`: the main job, from nothing: a wearable speaks a command over MQTT, and is answered.

Starts a stack of its own, and stops it again.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from bridge.devices import Device
from bridge.mqtt import Broker
from bridge.wearables.recording import Played, Recording, read
from bridge.wearables.wearable import wearing
from conch.cli.connection import Key, connected
from conch.cli.console import FAILED, err, out
from conch.cli.shopper import shop
from conch.cli.speak import save_wav
from conch.cli.story import SUMMONS, Story
from conch.cli.wearable import broker_of, devices_file, register
from conch.contracts.topics import DEFAULT_TENANT, DeviceId
from conch.stack.state import StateFolder, default_root

COMMAND = "Please send the cleaning crew to the loading dock."
DEVICE = Device(DeviceId(DEFAULT_TENANT, "conch-demo"), "en", teams=("cleaning crew",))

LAST_S = 15.0
"""For the reply's speech and the summons, after the session."""


def demo(
    file: Annotated[
        Path | None, typer.Argument(help="A spoken command, 16-bit WAV; Piper speaks one where none is given.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to save the spoken reply.")] = Path("reply.wav"),
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="State folder of the demo's stack.")
    ] = None,
    key: Key = "",
) -> None:
    """Start a stack, let a wearable speak a command, show what it is told; then a shopper; stop the stack."""
    # Beside the default stack's folder, not in it: a stack that runs already is left alone.
    root = state or default_root().with_name(default_root().name + "-demo")
    recording = read(file) if file else None
    with own_stack(root):
        if recording is None:
            recording = _spoken_command(root, key)
        folder = StateFolder(root)
        register(devices_file(folder), DEVICE.id, DEVICE)
        out.print("A wearable plays it over MQTT, at the pace of speech:")
        story = asyncio.run(_play(broker_of(folder, "conch-demo"), recording))
        if story.spoken:
            save_wav(output, story.spoken)
            _line(f"{story.spoken_s:.1f}", "speech", f'"{story.reply}" ({output})')
        loud = recording.loud_s()
        if story.decided_s is not None and loud is not None:
            after = f"The decision came {story.decided_s - loud[1]:.1f} s after the last word"
            out.print(f"{after}, with the silence that ends a command.", soft_wrap=True)
        shop(root, key)


async def _play(broker: Broker, recording: Recording) -> Story:
    async with wearing(broker, DEVICE.id, [SUMMONS]) as wearable:
        story = Story(DEVICE.id, time.monotonic(), _line)
        await wearable.converse(Played(recording), story.heed)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                while story.awaits:
                    story.heed(await wearable.told.get())
    for missing in sorted(story.awaits):
        err.print(f"no {missing} came within {LAST_S:.0f} s", style="red")
    return story


def _line(at_s: str, name: str, words: str) -> None:
    out.print(f"{at_s:>5}  {name:<14}  {words}".rstrip(), markup=False, soft_wrap=True)


@contextmanager
def own_stack(root: Path) -> Iterator[None]:
    """It runs there until the block ends."""
    conch = [sys.executable, "-m", "conch.cli"]
    start = time.perf_counter()
    with err.status("starting Redis, Triton, the edge, the gateway, an MQTT broker and the bridge"):
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


def _spoken_command(root: Path, key: str) -> Recording:
    with connected(root, key) as gateway:
        out.print(f'Piper says: "{COMMAND}"')
        speech = gateway.speak(COMMAND)
    return Recording(speech.pcm16, speech.sample_rate)
