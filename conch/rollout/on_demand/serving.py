"""A unit on all servers: loaded and probed, or unloaded, by whoever holds rollout/lock."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from conch.contracts.errors import ConchError
from conch.rollout.desired import Desired, Versions
from conch.rollout.folders import Folders
from conch.rollout.lock import holding
from conch.rollout.on_demand.memory import Memory
from conch.rollout.on_demand.moments import Moments
from conch.rollout.on_demand.units import Unit
from conch.rollout.refusals import Busy, RefusedVersion
from conch.rollout.server import ModelServer
from conch.rollout.trying_out import Deadlines

LOOK_S = 0.05


class UnitServer:
    def __init__(
        self, folders: Folders, server: ModelServer, memory: Memory, deadlines: Deadlines, moments: Moments
    ) -> None:
        self._folders = folders
        self._server = server
        self._memory = memory
        self._deadlines = deadlines
        self._moments = moments
        self._desired = Desired(folders)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """With rollout/lock. A publisher's work is waited for; raises Busy where that takes longer than a load may."""
        until = self._moments.now() + self._deadlines.load_s
        while True:
            with contextlib.ExitStack() as lock:
                try:
                    lock.enter_context(holding(self._folders.lock))
                except Busy:
                    if self._moments.now() >= until:
                        raise
                else:
                    yield
                    return
            await self._moments.sleep(LOOK_S)

    async def ready(self) -> Mapping[str, Sequence[int]]:
        return await self._server.ready()

    async def load(self, unit: Unit) -> None:
        """Raises RefusedVersion where a member does not load, or does not answer; nothing of it is left then."""
        try:
            for member in unit.members:
                await self._server.load(member, self._deadlines.load_s)
            wanted = self._desired.read()
            for member in unit.members:
                await self._probe(member, wanted.get(member, ()))
        except RefusedVersion:
            with contextlib.suppress(ConchError):
                await self.unload(unit)
            raise

    async def unload(self, unit: Unit) -> None:
        """Triton finishes the calls it has first; the processes of python models have ended then."""
        for member in reversed(unit.members):
            await self._server.unload(member, self._deadlines.unload_s)
        until = self._moments.now() + self._deadlines.unload_s
        while (await self._memory.measured()).keys() & set(unit.members) and self._moments.now() < until:
            await self._moments.sleep(LOOK_S)

    def versions(self, unit: Unit) -> tuple[int, ...]:
        """Of all members, as they should be served."""
        wanted = self._desired.read()
        return tuple(version for member in unit.members for version in wanted.get(member, ()))

    async def _probe(self, model: str, versions: Versions) -> None:
        for probe in self._desired.probes(model, versions):
            await self._server.ask(model, versions[-1], probe, self._deadlines.probe_s)
