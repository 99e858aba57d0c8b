"""Broker and bridge before a gateway that runs: what wearables speak to, for benchmarks."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from bridge.devices import Device, DevicesFile
from bridge.mqtt import Broker
from conch.contracts.topics import DEFAULT_TENANT, DeviceId
from conch.stack.leash import leashed
from conch.stack.service import NotYet
from conch.stack.services.bridge import BridgeProbe
from conch.stack.services.mqtt import MqttProbe, command, configuration
from conch.stack.serving import free_ports
from conch.stack.triton import HOST

READY_S = 60.0


@contextlib.asynccontextmanager
async def bridged(folder: Path, gateway: str, devices: Sequence[str]) -> AsyncIterator[Broker]:
    """The embedded broker and one bridge, which hears `devices` of the default tenant, all English. It asks nobody, and
    calls nobody; it summons, and nobody hears."""
    mqtt, mqtt5, metrics = (f"{HOST}:{port}" for port in free_ports(3))
    config = _prepared(folder, devices, configuration(mqtt, mqtt5))
    settings = {
        "MQTT_ADDRESS": mqtt5,
        "GATEWAY_ADDRESS": gateway,
        "METRICS_ADDRESS": metrics,
        "DEVICES_FILE": str(folder / "devices.json"),
        "SPOOL_FOLDER": str(folder / "spool"),
        "OUTBOX_FILE": str(folder / "outbox.db"),
        "FORWARD_BY": "none",
    }
    with _running(command(config), {}, folder / "broker.log"):
        await _ready(MqttProbe(mqtt))
        own = {f"CONCH_BRIDGE_{name}": value for name, value in settings.items()}
        with _running([sys.executable, "-P", "-m", "bridge"], own, folder / "bridge.log"):
            await _ready(BridgeProbe(metrics))
            yield Broker(HOST, int(mqtt5.rpartition(":")[2]), "5", "", kept_s=0)


def _prepared(folder: Path, devices: Sequence[str], configured: str) -> Path:
    """The broker's configuration; the devices' file stands beside it."""
    folder.mkdir()
    file = DevicesFile(folder / "devices.json")
    for device in devices:
        file.add(Device(DeviceId(DEFAULT_TENANT, device), "en"))
    config = folder / "rumqttd.toml"
    config.write_text(configured)
    return config


@contextlib.contextmanager
def _running(words: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            leashed(list(words)), env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _ready(probe: MqttProbe | BridgeProbe) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                await probe.ready()
            except NotYet:
                await asyncio.sleep(0.05)
            else:
                return
