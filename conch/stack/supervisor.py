"""The embedded stack: services started in the order of their needs, kept running, and ended in the reverse order."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence

from conch.contracts.errors import Internal
from conch.stack.failures import Patience
from conch.stack.keeper import Keeper, ServiceFailed
from conch.stack.logs import Logs
from conch.stack.ports import Ports
from conch.stack.processes import ProcessMark, adopt_orphans, end_session
from conch.stack.service import Service, Site, StackSettings
from conch.stack.state import StackStatus, StateFolder

logger = logging.getLogger(__name__)


class Supervisor:
    """Runs one stack in a state folder whose lock the caller holds, on the main thread."""

    def __init__(
        self,
        folder: StateFolder,
        services: Sequence[Service],
        logs: Logs,
        *,
        settings: StackSettings = StackSettings(),  # noqa: B008 - frozen
        ports: Mapping[str, int] | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._folder = folder
        self._services = in_order(services)
        self._logs = logs
        self._settings = settings
        self._ports = ports
        self._patience = patience
        self._keepers: dict[str, Keeper] = {}
        mark = ProcessMark.of(os.getpid())
        if mark is None:
            raise Internal("this process is not in /proc")
        self._mark = mark

    async def run(self, stopping: asyncio.Event, hurry: asyncio.Event) -> None:
        """Until `stopping` is set or a service fails for good (ServiceFailed); then nothing of the stack is left.

        `hurry` ends what is still draining.
        """
        adopt_orphans()
        await asyncio.to_thread(self._clear_up)
        self._folder.write_status(StackStatus(self._mark))
        try:
            with Ports(self._ports) as ports:
                hosts = {one.name: one.hosts(self._folder) for one in self._services}
                addresses = ports.take_all({one.name: one.ports for one in self._services}, hosts)
                site = Site(self._folder, self._settings, addresses)
                for one in self._services:
                    one.check(site)
                await asyncio.gather(*(asyncio.to_thread(service.prepare, site) for service in self._services))
                self._employ_keepers(site)
                await self._keep(stopping, hurry)
        finally:
            self._folder.forget_status()

    def _clear_up(self) -> None:
        """End what a killed supervisor left running, by its own record, and sweep what that left behind."""
        left = self._folder.read_status()
        for name, service in left.services.items() if left else ():
            if service.mark is not None and (count := end_session(service.mark)):
                logger.info("ended %d processes of %s that the last stack left behind", count, name)
        for one in self._services:
            one.sweep(Site(self._folder, self._settings))

    def _employ_keepers(self, site: Site) -> None:
        for service in self._services:
            needs = [self._keepers[name] for name in service.needs if name in self._keepers]
            self._keepers[service.name] = Keeper(
                service, site, needs, self._logs, self._patience, on_change=self._publish
            )
        self._publish()

    def _publish(self) -> None:
        was = self._folder.read_status()
        status = StackStatus(self._mark, {name: keeper.status for name, keeper in self._keepers.items()})
        try:
            self._folder.write_status(status)
        except OSError as error:
            logger.error("the stack's status cannot be written: %s", error)
        if status.ready and not (was and was.ready):
            logger.info("ready: %s", ", ".join(f"{name} {_faces(keeper)}" for name, keeper in self._keepers.items()))

    async def _keep(self, stopping: asyncio.Event, hurry: asyncio.Event) -> None:
        tasks = [asyncio.create_task(keeper.run()) for keeper in self._keepers.values()]
        stop = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            logger.info("stopping")
        except ServiceFailed as failed:
            logger.error("stopping: %s", failed.message.splitlines()[0])
            raise
        finally:
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
            await self._drain(hurry)

    async def _drain(self, hurry: asyncio.Event) -> None:
        """Upstream first: each service ends when all that need it have ended."""
        stopped = {name: asyncio.Event() for name in self._keepers}

        async def stop(keeper: Keeper) -> None:
            for other in self._keepers.values():
                if keeper.service.name in other.service.needs:
                    await stopped[other.service.name].wait()
            try:
                await keeper.stop(hurry)
            finally:
                stopped[keeper.service.name].set()

        await asyncio.gather(*(stop(keeper) for keeper in self._keepers.values()))


def in_order(services: Sequence[Service]) -> list[Service]:
    """Each after all it needs, of those that are there; raises Internal for needs in a circle."""
    names = {service.name for service in services}
    waiting, ordered, placed = list(services), list[Service](), set[str]()
    while waiting:
        free = [service for service in waiting if not (set(service.needs) & names) - placed]
        if not free:
            raise Internal(f"services need each other in a circle: {', '.join(service.name for service in waiting)}")
        ordered += free
        placed |= {service.name for service in free}
        waiting = [service for service in waiting if service.name not in placed]
    return ordered


def _faces(keeper: Keeper) -> str:
    return " ".join(f"{face}={address}" for face, address in keeper.status.addresses.items())
