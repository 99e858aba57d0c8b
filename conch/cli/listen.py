"""`conch listen`: play a recording, or the microphone, as a wearable, and print what it is told as it comes."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.devices import Device
from bridge.mqtt import Broker, Message
from bridge.wearables.microphone import Microphone, default_microphone
from bridge.wearables.recording import Played, read
from bridge.wearables.wearable import Event, Sound, wearing
from conch.cli.connection import State
from conch.cli.console import err, out, print_json, reporting_errors
from conch.cli.wearable import broker_of, devices_file, register
from conch.contracts.topics import DeviceId
from conch.edge.tenants import DEFAULT
from conch.stack.state import StateFolder, default_root

FAST = 4.0
"""Times real time: what a device sends after a break is as fast."""

OWN = "conch-listen"


def listen(
    file: Annotated[
        Path | None, typer.Argument(help="WAV, 16 bit, 8 to 48 kHz; several channels become one.", show_default=False)
    ] = None,
    mic: Annotated[bool, typer.Option("--mic", help="This machine's microphone, until Ctrl-C.")] = False,
    device: Annotated[str, typer.Option(metavar="ID", help="One of conch devices; default: one of its own.")] = OWN,
    tenant: Annotated[str, typer.Option(help="The device's.")] = DEFAULT,
    realtime: Annotated[bool, typer.Option("--realtime", help="At the pace of the recording.")] = False,
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object an event, as it is published.")] = False,
) -> None:
    """Play FILE or the microphone as a wearable, over MQTT, and print the events of its session as they come."""
    if mic == (file is not None):
        raise typer.BadParameter("give a file, or --mic")
    with reporting_errors():
        folder = StateFolder(state or default_root())
        broker = broker_of(folder, OWN)
        name = DeviceId(tenant, device).checked()
        register(devices_file(folder), name, Device(DeviceId(DEFAULT, OWN)))
        sound: Sound
        if file is None:
            sound = Microphone(default_microphone)
            err.print("listening; Ctrl-C ends it")
        else:
            sound = Played(read(file), 1.0 if realtime else FAST)
        asyncio.run(_listen(broker, name, sound, print_json if as_json else _print))


async def _listen(broker: Broker, name: DeviceId, sound: Sound, show: Any) -> None:
    if isinstance(sound, Microphone):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, sound.stop)

    def heed(told: Event | Message) -> None:
        if isinstance(told, Event):
            show(told.fields)

    async with wearing(broker, name) as wearable:
        await wearable.converse(sound, heed)


def _print(event: dict[str, Any]) -> None:
    rest = {key: value for key, value in event.items() if key not in ("event", "session", "scores", "words")}
    words = " ".join(f"{key}={value}" for key, value in rest.items() if value not in ("", [], None))
    out.print(f"{event['event']:<15} {words}", markup=False, soft_wrap=True)
