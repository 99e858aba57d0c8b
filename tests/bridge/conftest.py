"""A real broker, a real bridge as a process of its own, and a gateway that counts."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bridge.devices import Device, DevicesFile
from conch.commands.contacts import Contact
from conch.contracts.topics import DeviceId
from conch.stack.serving import free_ports
from tests.bridge.brokers import Broker, Embedded
from tests.bridge.gateway import CountingGateway, running
from tests.bridge.wearable import WITHIN_S, Wearable, eventually, wearing

KNOWN = ("watch-1", "watch-2")

BRIDGE = [sys.executable, "-P", "-m", "bridge"]


class GatewayThread:
    """The gateway in a loop of its own: a test may block."""

    def __init__(self, port: int) -> None:
        self.gateway = CountingGateway()
        self.port = port
        self._stop: Callable[[], None]
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        if self._thread is not None:
            self._stop()
            self._thread.join()
            self._thread = None

    def do(self, change: Callable[[], object]) -> None:
        """In the gateway's own loop."""
        self._loop.call_soon_threadsafe(change)

    async def _run(self, ready: threading.Event) -> None:
        self._loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: self._loop.call_soon_threadsafe(stopping.set)
        async with running(self.gateway, self.port):
            ready.set()
            await stopping.wait()


class Site:
    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.metrics, gateway = free_ports(2)
        self.gateway = GatewayThread(gateway)
        self.devices = DevicesFile(folder / "devices.json")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._running = contextlib.ExitStack()

    @property
    def heard(self) -> CountingGateway:
        return self.gateway.gateway

    @property
    def mqtt(self) -> int:
        """The port for devices of MQTT 3.1.1."""
        return self.broker.port(4)

    @property
    def mqtt5(self) -> int:
        return self.broker.port(5)

    def start_broker(self) -> None:
        self._start("broker", list(self.broker.prepare()), {})
        eventually(lambda: all(map(answers, self.broker.ports)))

    def start_gateway(self, **settings: object) -> None:
        """A real one that hears tones, in the place of the one that counts; `settings` as its own are called."""
        environment = {f"CONCH_GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
        self._start("gateway", [sys.executable, "-m", "tests.bridge.hearing", str(self.gateway.port)], environment)
        eventually(lambda: answers(self.gateway.port))

    def start_bridge(self, **settings: object) -> None:
        """`settings` as the bridge's own are called."""
        self.begin_bridge(**settings)
        bridge = self._processes["bridge"]
        try:
            eventually(lambda: bridge.poll() is not None or self.metric("conch_bridge_connected") == 1)
        except AssertionError:
            pytest.fail(f"the bridge does not connect:\n{self.log()}")
        assert bridge.poll() is None, f"the bridge has ended:\n{self.log()}"

    def begin_bridge(self, name: str = "bridge", **settings: object) -> None:
        """And wait for nothing. A second one has another name, and its metrics at another port."""
        self._start(name, BRIDGE, self._environment(settings))

    def refused_to_start(self, name: str = "bridge", **settings: object) -> str:
        """What a bridge says that ends by itself with a failure."""
        self.begin_bridge(name, **settings)
        assert self._processes.pop(name).wait(WITHIN_S) == 1
        return self.log(name)

    def code(self, name: str) -> int:
        """Of one that ends by itself."""
        return self._processes.pop(name).wait(WITHIN_S)

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def end(self, name: str) -> int:
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(timeout=30)

    def metric(self, sample: str, port: int = 0) -> float | None:
        """As it stands on the page, labels and all; None where it is not there."""
        try:
            page = httpx.get(f"http://127.0.0.1:{port or self.metrics}/metrics", timeout=5).text
        except httpx.HTTPError:
            return None
        found = re.search(rf"^{re.escape(sample)} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else None

    def samples(self, device: str, kind: str) -> float | None:
        return self.metric(f'conch_bridge_samples{{device="{device}",kind="{kind}",tenant="default"}}')

    def refused(self, reason: str, tenant: str = "default") -> float:
        return self.metric(f'conch_bridge_refused_total{{reason="{reason}",tenant="{tenant}"}}') or 0

    def memory(self) -> int:
        """Resident bytes of the bridge."""
        pages = Path(f"/proc/{self._processes['bridge'].pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self, name: str = "bridge") -> str:
        return (self.folder / f"{name}.log").read_text()

    def wearing(self, name: str, version: int = 5, prefix: str = "") -> Wearable:
        tenant = prefix.removeprefix("t/").rstrip("/") or "default"
        credentials = self.broker.credentials(tenant, name)
        client_id = self.broker.client_id(name, version)
        return self._running.enter_context(
            wearing(self.broker.port(version), version, name, prefix, client_id, credentials)
        )

    def close(self) -> None:
        self._running.close()
        for name in list(self._processes):
            self.kill(name)
        self.gateway.stop()

    def _environment(self, settings: dict[str, object]) -> dict[str, str]:
        every = {
            **self.broker.bridge_settings(),
            "gateway_address": f"127.0.0.1:{self.gateway.port}",
            "metrics_address": f"127.0.0.1:{self.metrics}",
            "devices_file": self.folder / "devices.json",
            "spool_folder": self.folder / "spool",
            "outbox_file": self.folder / "outbox.db",
            "idle_s": 1,
            "reorder_s": 0.3,
            **settings,
        }
        return {f"CONCH_BRIDGE_{name.upper()}": str(value) for name, value in every.items()}

    def _start(self, name: str, words: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                words, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
            )


def answers(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Embedded(tmp_path)


@pytest.fixture
def bare_site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    """Broker and gateway; the test starts the bridge."""
    site = Site(tmp_path, broker)
    for name in KNOWN:
        site.devices.add(Device(DeviceId("default", name), "en", (Contact("Mai"),), ("cleaning crew",)))
    site.devices.add(Device(DeviceId("acme", "watch-1")))
    try:
        site.gateway.start()
        site.start_broker()
        yield site
    finally:
        site.close()


@pytest.fixture
def site(bare_site: Site) -> Site:
    bare_site.start_bridge()
    return bare_site
