"""`conch listen`: play a recording as a wearable, over MQTT, and print what it is told as it comes."""

import asyncio
import json
import uuid
import wave
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bridge.devices import Device, DevicesFile
from bridge.mqtt import Broker, Message, Mqtt
from conch.cli.connection import State
from conch.cli.console import NO_STACK, err, out, print_json, reporting_errors
from conch.contracts.errors import DeadlineExceeded, InvalidRequest, NotFound, Unavailable
from conch.contracts.topics import LAST, OFFSET, RATE, SEQUENCE, SESSION, DeviceId
from conch.edge.tenants import DEFAULT
from conch.stack.services.bridge import DEVICES
from conch.stack.state import NoStack, StateFolder, default_root, running_stack

CHUNK_S = 0.2
SILENCE_S = 1.0
"""After the recording: what somebody who has spoken is followed by."""

FAST = 4.0
"""Times real time: what a device sends after a break is as fast."""

OWN = "conch-listen"
PATIENCE_S = 60.0
"""For the last event, after the last chunk."""


@dataclass(frozen=True, slots=True)
class Recording:
    pcm16: bytes
    rate: int

    def chunks(self) -> Iterator[bytes]:
        size = 2 * round(CHUNK_S * self.rate)
        whole = self.pcm16 + bytes(2 * round(SILENCE_S * self.rate))
        return (whole[at : at + size] for at in range(0, len(whole), size))


def listen(
    file: Annotated[Path, typer.Argument(help="WAV, 16 bit, 8 to 48 kHz; several channels become one.")],
    device: Annotated[str, typer.Option(metavar="ID", help="One of conch devices; default: one of its own.")] = OWN,
    tenant: Annotated[str, typer.Option(help="The device's.")] = DEFAULT,
    realtime: Annotated[bool, typer.Option("--realtime", help="At the pace of the recording.")] = False,
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object an event, as it is published.")] = False,
) -> None:
    """Play FILE as a wearable, over MQTT, and print the events of its session as they come."""
    with reporting_errors():
        folder = StateFolder(state or default_root())
        broker = _broker(folder)
        name = DeviceId(tenant, device).checked()
        _register(folder, name)
        recording = read(file)
        pace = 1.0 if realtime else FAST
        for_each = print_json if as_json else _print
        asyncio.run(_play(broker, name, recording, pace, for_each))


def read(file: Path) -> Recording:
    try:
        with wave.open(str(file), "rb") as audio:
            width, channels, rate = audio.getsampwidth(), audio.getnchannels(), audio.getframerate()
            frames = audio.readframes(audio.getnframes())
    except (wave.Error, EOFError) as error:
        raise InvalidRequest(f"{file} is no WAV file of PCM: {error}") from error
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    if width != 2:
        raise InvalidRequest(f"{file} has samples of {8 * width} bits, and 16 are played")
    samples = np.frombuffer(frames, "<i2").reshape(-1, channels)
    return Recording(samples.mean(axis=1).astype("<i2").tobytes(), rate)


async def _play(broker: Broker, name: DeviceId, recording: Recording, pace: float, for_each: Any) -> None:
    session, told = str(uuid.uuid4()), asyncio.Queue[dict[str, Any]]()
    mqtt = Mqtt(broker, [name.events], 100)

    def take(message: Message) -> None:
        mqtt.acknowledge(message)
        told.put_nowait(json.loads(message.payload))

    async with asyncio.TaskGroup() as group:
        running = group.create_task(mqtt.run(take))
        await _subscribed(mqtt)
        playing = group.create_task(_send(mqtt, name, session, recording, pace))
        try:
            length_s = len(recording.pcm16) / 2 / recording.rate
            async with asyncio.timeout(length_s / pace + PATIENCE_S):
                await _print_until_ended(told, session, for_each)
        except TimeoutError:
            raise DeadlineExceeded(f"the session has not ended {PATIENCE_S:.0f} s after its last chunk") from None
        finally:
            playing.cancel()
            running.cancel()


async def _subscribed(mqtt: Mqtt) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while not mqtt.connected:  # noqa: ASYNC110 - paho's thread says so in no other way
                await asyncio.sleep(0.02)
            return
    raise Unavailable("the broker does not answer within 10 s")


async def _send(mqtt: Mqtt, name: DeviceId, session: str, recording: Recording, pace: float) -> None:
    chunks, offset = list(recording.chunks()), 0
    for number, chunk in enumerate(chunks):
        last = "true" if number == len(chunks) - 1 else "false"
        places = ((SESSION, session), (SEQUENCE, str(number)), (OFFSET, str(offset)), (RATE, str(recording.rate)))
        mqtt.publish(name.audio, chunk, 1, (*places, (LAST, last)))
        offset += len(chunk) // 2
        await asyncio.sleep(CHUNK_S / pace)


async def _print_until_ended(told: asyncio.Queue[dict[str, Any]], session: str, for_each: Any) -> None:
    ended = False
    while True:
        event = await told.get()
        if event.get("session") not in (session, ""):
            continue
        for_each(event)
        ended |= event["event"] == "ended"
        if ended and event["event"] == "account":
            return


def _print(event: dict[str, Any]) -> None:
    rest = {key: value for key, value in event.items() if key not in ("event", "session", "scores", "words")}
    words = " ".join(f"{key}={value}" for key, value in rest.items() if value not in ("", [], None))
    out.print(f"{event['event']:<15} {words}", markup=False, soft_wrap=True)


def _broker(folder: StateFolder) -> Broker:
    try:
        stack = running_stack(folder.root)
    except NoStack as error:
        err.print(error.message, markup=False, soft_wrap=True)
        raise typer.Exit(NO_STACK) from None
    if "bridge" not in stack.services:
        raise Unavailable("the stack runs without a bridge; start it without --only, or with --only bridge")
    host, _, port = stack.services["mqtt"].addresses["mqtt5"].rpartition(":")
    return Broker(host, int(port), "5", f"conch-listen-{uuid.uuid4()}")


def _register(folder: StateFolder, name: DeviceId) -> None:
    file = DevicesFile(folder.root / DEVICES)
    if name in file.read():
        return
    if name != DeviceId(DEFAULT, OWN):
        raise NotFound(f"tenant {name.tenant} has no device {name.device}; add it: conch devices add {name.device}")
    file.add(Device(name))
