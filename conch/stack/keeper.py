"""Keeps one service running: starts it, asks whether it works, heals it, starts it again, gives up."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from conch.contracts.errors import ConchError, Internal
from conch.stack.child import Child
from conch.stack.failures import Failures, Patience
from conch.stack.logs import Logs
from conch.stack.service import Hopeless, Probe, Service, Sick, Site
from conch.stack.state import ServiceState, ServiceStatus

logger = logging.getLogger(__name__)


class ServiceFailed(Internal):
    """A service that could not be kept running; its message holds the service's last lines."""


class Keeper:
    """`run()` until cancelled, then `stop()`. `needs` are the keepers this service waits for."""

    def __init__(
        self,
        service: Service,
        site: Site,
        needs: Sequence["Keeper"],
        logs: Logs,
        patience: Patience,
        on_change: Callable[[], None],
    ) -> None:
        self.service = service
        self._site = site
        self._needs = needs
        self._logs = logs
        self._patience = patience
        self._failures = Failures(patience)
        self._on_change = on_change
        self._child: Child | None = None
        self._ready_at: float | None = None
        self._ready = asyncio.Event()
        self._state = ServiceState.WAITING

    @property
    def status(self) -> ServiceStatus:
        mark = self._child.mark if self._child is not None else None
        return ServiceStatus(
            self._state, mark.pid if mark else None, self._site.addresses.get(self.service.name, {}), mark
        )

    @property
    def is_ready(self) -> bool:
        return self._state is ServiceState.READY

    async def wait_ready(self) -> None:
        """Until it has been ready for the first time."""
        await self._ready.wait()

    async def run(self) -> None:
        """Raises ServiceFailed after too many failures in a row, or when one is hopeless."""
        if not self.service.starts_early:
            await self._needs_ready()
        while True:
            self._ready_at = None
            reason = await self._run_once()
            await self._bury()
            ready_for_s = time.monotonic() - self._ready_at if self._ready_at is not None else 0.0
            delay_s = self._failures.count(ready_for_s)
            if delay_s is None:
                self._set(ServiceState.FAILED)
                raise ServiceFailed(self._told(f"failed {self._failures.in_a_row} times in a row; the last: {reason}"))
            self._set(ServiceState.RESTARTING)
            logger.warning("%s", self._told(f"{reason}; starting it again" + (f" in {delay_s} s" if delay_s else "")))
            await asyncio.sleep(delay_s)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Drain and end it, at once when `hurry` is set; `run()` must have ended."""
        if self._child is not None:
            self._set(ServiceState.STOPPING)
            await self._drain(hurry)
            await self._child.end(self.service.drain_s, lambda process: hurry.is_set() or self.service.drained(process))
            await self._bury()
        self._set(ServiceState.STOPPED)

    async def _drain(self, hurry: asyncio.Event) -> None:
        tasks = {asyncio.create_task(self.service.drain(self._site)), asyncio.create_task(hurry.wait())}
        await asyncio.wait(tasks, timeout=self.service.drain_s, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        # A service that cannot be asked any more has nothing left to wait for.
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _needs_ready(self) -> None:
        for need in self._needs:
            await need.wait_ready()

    async def _run_once(self) -> str:
        """Why the process is of no more use."""
        name, launch = self.service.name, self.service.launch(self._site)
        try:
            self._child = Child.start(launch, self._site.folder.root, lambda line: self._logs.line(name, line))
        except OSError as error:
            return f"cannot be started: {error}"
        self._set(ServiceState.STARTING)
        exited = asyncio.create_task(self._child.exited.wait())
        tending = asyncio.create_task(self._tend(self.service.probe(self._site, self._child.mark)))
        try:
            await asyncio.wait({exited, tending}, return_when=asyncio.FIRST_COMPLETED)
            if not tending.done():
                await self._child.bury()
                return self._child.how_it_ended
            return tending.result()
        finally:
            for task in (exited, tending):
                task.cancel()
            await asyncio.gather(exited, tending, return_exceptions=True)

    async def _tend(self, probe: Probe) -> str:
        problem = await self._await_ready(probe)
        if problem is not None:
            return problem
        self._ready_at = time.monotonic()
        self._set(ServiceState.READY)
        self._ready.set()
        strikes = 0
        while True:
            await asyncio.sleep(self.service.look_every_s)
            sick = await _look(probe)
            if sick is None:
                strikes = 0
                continue
            # A service cannot work while one it needs does not: that one is being mended.
            blameless = not sick.certain and not all(need.is_ready for need in self._needs)
            strikes = 0 if blameless else strikes + 1
            if sick.certain or strikes >= self._patience.strikes:
                strikes = 0
                if (problem := await self._heal(probe, sick)) is not None:
                    return problem

    async def _await_ready(self, probe: Probe) -> str | None:
        await self._needs_ready()
        deadline = time.monotonic() + self.service.start_s
        while True:
            try:
                await probe.ready()
            except Hopeless as error:
                self._set(ServiceState.FAILED)
                raise ServiceFailed(f"{self.service.name}: {error.message}") from error
            except Exception as error:  # noqa: BLE001 - an edge: whatever goes wrong with a probe, it is not ready
                if time.monotonic() > deadline:
                    return f"is not ready after {self.service.start_s:g} s: {_words(error)}"
                await asyncio.sleep(self._patience.ask_every_s)
            else:
                return None

    async def _heal(self, probe: Probe, sick: Sick) -> str | None:
        """None when it is well again."""
        logger.warning("%s: %s", self.service.name, sick.message)
        self._set(ServiceState.HEALING)
        try:
            await probe.heal(sick)
        except Exception as error:  # noqa: BLE001 - an edge: whatever went wrong, it was not healed
            return f"is sick: {_words(error)}"
        logger.info("%s: healed", self.service.name)
        self._set(ServiceState.READY)
        return None

    async def _bury(self) -> None:
        if self._child is not None:
            await self._child.bury()
            self._child = None
            await asyncio.to_thread(self.service.sweep, self._site)

    def _told(self, what: str) -> str:
        lines = self._logs.tail(self.service.name)
        shown = "".join(f"\n    {line}" for line in lines)
        return f"{self.service.name} {what}" + (f"\n  its last lines ({self._log_path()}):{shown}" if lines else "")

    def _log_path(self) -> str:
        return str(self._site.folder.log(self.service.name))

    def _set(self, state: ServiceState) -> None:
        if state is not self._state or state is ServiceState.STARTING:
            self._state = state
            self._on_change()


async def _look(probe: Probe) -> Sick | None:
    try:
        await probe.look()
    except Sick as sick:
        return sick
    except Exception as error:  # noqa: BLE001 - an edge: a probe that fails otherwise has not shown that it works
        return Sick(f"does not answer: {error!r}", certain=False)
    return None


def _words(error: Exception) -> str:
    return error.message if isinstance(error, ConchError) else repr(error)
