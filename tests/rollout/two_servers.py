"""Two Tritons that read one `live/`, an edge before them and controllers beside them, as a stack would have them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from conch.clients.inference import CallOptions, text_column
from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.rollout.folders import Folders
from conch.rollout.orders import Deed
from conch.rollout.servers import STACK, ServerAddress, ServerState
from conch.stack.envoy import fronting
from conch.stack.processes import ProcessMark, end_session, session_members
from conch.stack.repository import checkout, fill_live, fill_repository
from conch.stack.service import Sick
from conch.stack.services.envoy import EnvoyProbe
from conch.stack.serving import free_ports
from conch.stack.shm import SHM, prefix_of, sweep
from conch.stack.stubs import Stubs
from conch.stack.triton import HOST, TritonAddresses, TritonInstallation

PATIENCE_S = 90.0
"""On a machine that has much else to do."""


class Triton:
    """A server that is started again on the same ports, when it has ended or is to."""

    def __init__(self, folders: Folders, name: str) -> None:
        self.name = name
        self.starts = 0
        self.kept = True
        grpc, http, metrics = (f"{HOST}:{port}" for port in free_ports(3))
        self.address = ServerAddress(name, http, grpc)
        self.upstream = TritonServer(*(Address.parse(one) for one in (grpc, http, metrics)))
        self._folders = folders
        self._folder = folders.root / "servers" / name
        self._folder.mkdir(parents=True)
        self._installation = TritonInstallation.prepare(self._folder / "backends")
        live = folders.root / "live"
        self._command = self._installation.command(
            [live / "models", live / "ensembles"],
            TritonAddresses(grpc, http, metrics),
            shm_prefix=prefix_of(self._folder),
        )

    def start(self) -> None:
        self.starts += 1
        with (self._folder / "triton.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._installation.environment(os.environ),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.mark = ProcessMark.of_child(self.process.pid)

    def regions(self) -> set[str]:
        """Of shared memory, of this server's stubs now and before."""
        return {path.name for path in SHM.glob(f"{prefix_of(self._folder)}*")}

    def mapped(self) -> set[str]:
        """Those that its processes use."""
        maps = "".join(Path(f"/proc/{member.pid}/maps").read_text() for member in session_members(self.mark))
        return {name for name in self.regions() if f"{SHM}/{name}" in maps}

    def end(self) -> None:
        end_session(self.mark)
        self.process.wait()
        sweep(prefix_of(self._folder))

    def keep(self) -> None:
        """One round of what whoever keeps a server does."""
        order = self._folders.orders.take(self.name)
        if order is not None and order.deed is Deed.END_STUBS:
            stubs = Stubs(self.mark)
            stubs.refresh()
            stubs.end_model(order.model)
        elif order is not None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        if self.kept and self.process.poll() is not None:
            self.end()
            self._folders.orders.forget(self.name)
            self.start()


@dataclass
class Traffic:
    answers: int = 0
    errors: list[str] = field(default_factory=list)


class Site:
    def __init__(self, root: Path) -> None:
        self.folders = Folders(root)
        fill_repository(checkout(), self.folders.repository, {}, only=["intent"])
        fill_live(self.folders.repository, root / "live")
        self.tritons = [Triton(self.folders, name) for name in (STACK, "other")]
        self.controllers: list[subprocess.Popen[bytes]] = []
        self.traffic = Traffic()

    def start_controller(self) -> "subprocess.Popen[bytes]":
        first, second = (triton.address for triton in self.tritons)
        command = [sys.executable, "-m", "conch.rollout", str(self.folders.root), first.http, first.grpc]
        process = subprocess.Popen([*command, "--server", f"{second.name}={second.http},{second.grpc}"])
        self.controllers.append(process)
        return process

    def states(self) -> dict[str, ServerState]:
        return {one.address.name: one.state for one in self.folders.servers.read()}

    def converged(self) -> bool:
        return list(self.states().values()) == [ServerState.CONVERGED] * 2

    def told(self, server: str) -> list[str]:
        return [line.action for line in self.folders.journal.lines() if line.evidence.get("server") == server]

    async def until(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < ends, f"{self.states()}, {self.folders.journal.lines()}"
            await asyncio.sleep(0.05)

    async def goes_on(self, answers: int = 20) -> None:
        wanted = self.traffic.answers + answers
        await self.until(lambda: self.traffic.answers >= wanted)

    async def keep(self, probe: EnvoyProbe) -> None:
        while True:
            for triton in self.tritons:
                await asyncio.to_thread(triton.keep)
            with contextlib.suppress(Sick):
                await probe.look()
            await asyncio.sleep(0.1)

    async def call(self, address: str) -> None:
        async with TritonInference(address) as inference:
            while True:
                try:
                    answer = await inference.infer(
                        "intent", {"text": text_column("call John")}, call=CallOptions(deadline_s=30)
                    )
                    assert answer["intent"].tolist() == [["DIAL_PERSON"]]
                    self.traffic.answers += 1
                except (ConchError, AssertionError) as error:
                    self.traffic.errors.append(repr(error))
                # Leave the processor to the servers: what is counted is errors.
                await asyncio.sleep(0.02)


CALLERS = 2


@contextlib.asynccontextmanager
async def under_load(root: Path) -> AsyncIterator[Site]:
    """Both servers have converged, and callers of the edge are answered all the time."""
    site = Site(root)
    listening = Listening(*(Address(HOST, port) for port in free_ports(4)))
    upstreams = Upstreams([triton.upstream for triton in site.tritons], None, None, pings=True)
    edge = Edge(EdgeSettings(listening, upstreams, workers=1), root / "edge", root / "tenants.toml")
    try:
        for triton in site.tritons:
            triton.start()
        site.start_controller()
        with fronting(edge):
            keeping = asyncio.create_task(site.keep(EnvoyProbe(edge, site.folders.servers)))
            await site.until(site.converged)
            calling = [asyncio.create_task(site.call(str(listening.grpc))) for _ in range(CALLERS)]
            await site.goes_on()
            site.traffic.errors.clear()  # of a channel's first attempts
            yield site
            for task in (*calling, keeping):
                task.cancel()
            await asyncio.gather(*calling, keeping, return_exceptions=True)
    finally:
        for controller in site.controllers:
            controller.kill()
            controller.wait()
        for triton in site.tritons:
            triton.end()
