"""Messages a second through broker, bridge and a counting gateway, by a bare subscriber; memory of idle devices.

    python -m benchmarks.bridge

Both take chunks of 200 devices from the same broker, with QoS 1, each on topics of its own. The bare one acknowledges
and counts; the bridge decodes, accounts, writes to disk, acknowledges, sends on and hears what was decided. Rounds are
interleaved. Speakers, broker and gateway share the machine's cores.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from benchmarks.counting_gateway import counting_gateway
from bridge.devices import Device
from bridge.mqtt import Broker, Message, Mqtt
from conch.contracts.topics import OFFSET, SEQUENCE, SESSION, DeviceId
from conch.stack.services.mqtt import command, configuration
from conch.stack.serving import free_ports

RESULT = Path(__file__).parent / "results" / "bridge.json"
HOST = "127.0.0.1"
WEARABLE, BARE = "wearable/{}/audio", "bare/{}/audio"
DEVICES = 200
CHUNK_SAMPLES = 3200
"""200 ms."""
CHUNKS = 20
"""Of each device in a round."""
ROUNDS = 5
SPEAKERS = 4
"""Connections that publish, each for a part of the devices."""
WINDOW = 200
"""Messages in flight, of either subscriber and of each speaker."""
LOOK_S = 0.002
IDLE = (1000, 3000)
"""Devices: the first thousand pay for what is there once."""
GIVE_UP_S = 300.0
IDLE_S = 0.2
PAUSE_S = 0.02
"""With both, few devices are live at once, which would be what is measured."""


@dataclass(frozen=True, slots=True)
class Round:
    per_s: float
    cpu_ms: float
    """Of the process that hears, for a message."""


class Site:
    """A broker and a bridge."""

    def __init__(self, folder: Path, gateway_port: int) -> None:
        self._folder = folder
        mqtt, self._mqtt5, self._metrics = free_ports(3)
        self._gateway_port = gateway_port
        (folder / "rumqttd.toml").write_text(configuration(f"{HOST}:{mqtt}", f"{HOST}:{self._mqtt5}"))
        entries = [Device(DeviceId("default", f"watch-{number}"), "en").to_json() for number in range(IDLE[1])]
        (folder / "devices.json").write_text(json.dumps({"devices": entries}))
        self.bridge: psutil.Process

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with self._process(list(command(self._folder / "rumqttd.toml")), {}):
            settings = {
                "MQTT_ADDRESS": f"{HOST}:{self._mqtt5}",
                "GATEWAY_ADDRESS": f"{HOST}:{self._gateway_port}",
                "METRICS_ADDRESS": f"{HOST}:{self._metrics}",
                "DEVICES_FILE": self._folder / "devices.json",
                "SPOOL_FOLDER": self._folder / "spool",
                "OUTBOX_FILE": self._folder / "outbox.db",
                "IDLE_S": IDLE_S,
            }
            environment = {f"CONCH_BRIDGE_{name}": str(value) for name, value in settings.items()}
            with self._process([sys.executable, "-P", "-m", "bridge"], environment) as process:
                self.bridge = psutil.Process(process.pid)
                _await(lambda: self.metric("conch_bridge_connected") == 1)
                yield

    def broker(self, client_id: str) -> Broker:
        return Broker(HOST, self._mqtt5, "5", client_id, kept_s=0)

    def metric(self, name: str) -> float | None:
        try:
            page = httpx.get(f"http://{HOST}:{self._metrics}/metrics", timeout=30).text
        except httpx.HTTPError:
            return None
        found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else None

    @contextlib.contextmanager
    def _process(self, words: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def main(out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT) -> None:
    """Interleaved rounds, then the memory of devices that have fallen silent."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, counting_gateway(port) as heard:
        site = Site(Path(folder), port)
        with site.running():
            rounds: dict[str, list[Round]] = {"bridge": [], "bare": []}
            for number in range(ROUNDS):
                rounds["bare"].append(bare_round(site, number))
                rounds["bridge"].append(bridge_round(site, heard, number))
        with site.running():
            memory = idle_memory(site)
    report = summary(rounds, memory)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def bridge_round(site: Site, heard: "Synchronized[int]", number: int) -> Round:
    expected = heard.value + DEVICES * CHUNKS
    with speaking(site, DEVICES, CHUNKS, f"round-{number}"):
        return _timed(site.bridge, lambda: heard.value == expected)


def bare_round(site: Site, number: int) -> Round:
    counted: Synchronized[int] = multiprocessing.Value("q", 0)
    ready = multiprocessing.Event()
    subscriber = multiprocessing.Process(target=_subscribe, args=(site.broker("bare"), counted, ready), daemon=True)
    subscriber.start()
    try:
        if not ready.wait(GIVE_UP_S):
            raise RuntimeError("the bare subscriber is not there")
        with speaking(site, DEVICES, CHUNKS, f"bare-{number}", BARE):
            return _timed(psutil.Process(subscriber.pid), lambda: counted.value == DEVICES * CHUNKS)
    finally:
        subscriber.terminate()
        subscriber.join()


def idle_memory(site: Site) -> dict[str, float]:
    """Of devices that have each said a chunk, and nothing for a while."""
    sizes = []
    for devices in IDLE:
        with speaking(site, devices, 1, f"idle-{devices}", pause_s=PAUSE_S) as process:
            process.join(GIVE_UP_S)
        _await(lambda: site.metric("conch_bridge_sessions") == 0)
        sizes.append(site.bridge.memory_info().rss)
    least, most = sizes
    return {
        "resident_mib": round(most / 2**20, 1),
        "devices": IDLE[1],
        "mib_per_1000_idle_devices": round((most - least) / 2**20 / (IDLE[1] - IDLE[0]) * 1000, 2),
    }


def summary(rounds: dict[str, list[Round]], memory: dict[str, float]) -> dict[str, Any]:
    def median(name: str, read: Callable[[Round], float]) -> float:
        return statistics.median(read(one) for one in rounds[name])

    return {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "devices": DEVICES,
        "chunk_bytes": 2 * CHUNK_SAMPLES,
        "messages_per_s": {name: round(median(name, lambda one: one.per_s)) for name in rounds},
        "cpu_ms_per_message": {name: round(median(name, lambda one: one.cpu_ms), 3) for name in rounds},
        "bridge_over_bare": round(median("bridge", lambda one: one.per_s) / median("bare", lambda one: one.per_s), 2),
        "live_devices_that_would_be": round(median("bridge", lambda one: one.per_s) * CHUNK_SAMPLES / 16_000),
        "idle": memory,
    }


def _timed(process: psutil.Process, done: Callable[[], bool]) -> Round:
    start, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
    _await(done)
    seconds, messages = time.perf_counter() - start, DEVICES * CHUNKS
    return Round(messages / seconds, (sum(process.cpu_times()[:2]) - cpu) / messages * 1000)


@contextlib.contextmanager
def speaking(
    site: Site, devices: int, chunks: int, session: str, topic: str = WEARABLE, pause_s: float = 0.0
) -> Iterator[multiprocessing.Process]:
    brokers = [site.broker(f"speaker-{number}") for number in range(SPEAKERS)]
    process = multiprocessing.Process(
        target=_speak, args=(brokers, topic, devices, chunks, session, pause_s), daemon=True
    )
    process.start()
    try:
        yield process
        process.join(GIVE_UP_S)
    finally:
        process.terminate()


def _subscribe(broker: Broker, counted: "Synchronized[int]", ready: Event) -> None:
    async def run() -> None:
        def take(message: Message) -> None:
            counted.value += 1
            mqtt.acknowledge(message)

        mqtt: Mqtt
        async with _connected(broker, (BARE.format("+"),), take) as mqtt:
            ready.set()
            await asyncio.get_running_loop().create_future()

    asyncio.run(run())


def _speak(brokers: list[Broker], topic: str, devices: int, chunks: int, session: str, pause_s: float) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for number, broker in enumerate(brokers):
                some = [topic.format(f"watch-{device}") for device in range(number, devices, len(brokers))]
                group.create_task(_speak_some(broker, some, chunks, session, pause_s))

    asyncio.run(run())


async def _speak_some(broker: Broker, topics: list[str], chunks: int, session: str, pause_s: float) -> None:
    """Returns when the broker has acknowledged all."""
    data = bytes(2 * CHUNK_SAMPLES)
    async with _connected(broker, (), lambda _: None) as mqtt:
        for sequence in range(chunks):
            told = ((SESSION, session), (SEQUENCE, str(sequence)), (OFFSET, str(sequence * CHUNK_SAMPLES)))
            for topic in topics:
                while mqtt.unconfirmed >= WINDOW:  # noqa: ASYNC110 - paho tells it to its own thread
                    await asyncio.sleep(LOOK_S)
                mqtt.publish(topic, data, 1, told)
                if pause_s:
                    await asyncio.sleep(pause_s)
        while mqtt.unconfirmed:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


@contextlib.asynccontextmanager
async def _connected(broker: Broker, filters: tuple[str, ...], take: Callable[[Message], None]) -> AsyncIterator[Mqtt]:
    mqtt = Mqtt(broker, filters, WINDOW)
    running = asyncio.create_task(mqtt.run(take))
    try:
        while not mqtt.connected:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        yield mqtt
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _await(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + GIVE_UP_S
    while not holds():
        if time.monotonic() > ends:
            raise RuntimeError(f"not within {GIVE_UP_S} s")
        time.sleep(LOOK_S)


if __name__ == "__main__":
    typer.run(main)
