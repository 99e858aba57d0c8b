"""Load a model on demand when it is called: once for all who wait, and with others unloaded where room is wanted.

The edge asks before it passes a call, and may then pass others for LEASE_S without asking. A model is unloaded when
the last of those leases has ended; whoever asks from then on waits, and has it loaded again. So no call meets a model
that is not there, and when each was called last is known without asking Triton.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from conch.contracts.errors import ConchError, TooMuch, Unavailable
from conch.contracts.on_demand import resting
from conch.rollout.folders import Folders
from conch.rollout.on_demand.held import Held, Size
from conch.rollout.on_demand.memory import Memory
from conch.rollout.on_demand.moments import Moments
from conch.rollout.on_demand.room import to_leave
from conch.rollout.on_demand.serving import UnitServer
from conch.rollout.on_demand.terms import Terms
from conch.rollout.on_demand.units import Units, units
from conch.rollout.policy import Policy
from conch.rollout.refusals import RefusedVersion
from conch.rollout.server import ModelServer
from conch.rollout.trying_out import Deadlines

logger = logging.getLogger(__name__)

LEASE_S = 0.5
SLACK_S = 1.0
"""Between the edge's last look at a lease and Triton's having the call."""
SETTLE_S = 5.0
"""The edge may not know yet that a model is on demand, or that it is asked for another way: all calls pass."""
MEASURE_S = 5.0
"""A model grows while it is used."""
RETRY_AFTER_S = 2.0


class Loader:
    """Used as a context; `step()` again and again in it. `server` is all that are called now."""

    def __init__(
        self,
        folders: Folders,
        server: ModelServer,
        memory: Memory,
        *,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
        moments: Moments = Moments(),  # noqa: B008 - frozen
    ) -> None:
        self._folders = folders
        self._server = UnitServer(folders, server, memory, deadlines, moments)
        self._memory = memory
        self._deadlines = deadlines
        self._moments = moments
        self._followed: object = None
        self._measured_at = -math.inf
        self._terms = Terms()
        self._units = Units()
        self._held: dict[str, Held] = {}
        self._turn = asyncio.Lock()
        """One loads or unloads at a time: what there is room for is not promised twice."""
        self._tasks = asyncio.TaskGroup()
        self._follow()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        """What loads is left as it is."""
        for task in [held.loading for held in self._held.values() if held.loading is not None]:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def resting(self) -> Collection[str]:
        """Models on demand that are not loaded, and should not be."""
        return {member for held in self._held.values() if not held.loaded for member in held.unit.members}

    async def ask(self, model: str, *, probe: bool = False) -> float:
        """Seconds from now on in which calls of `model` need not ask again; 0 of one that is not on demand.

        A `probe` loads nothing. Raises TooMuch where too many wait, Unavailable where it is not loaded; both say when
        to come again.
        """
        held = self._held_of(model)
        if held is None:
            return 0.0
        while not held.loaded:
            if probe:
                raise Unavailable(resting(model))
            if (good_s := await self._awaited(held) - self._moments.now()) > 0:
                return good_s
        return self._lease(held, probe=probe)

    async def step(self) -> None:
        """Follow what is on demand, what the servers list, and the bound. Raises ConchError."""
        if self._turn.locked():
            return
        async with self._turn:
            self._follow()
            await self._see()
            if self._moments.now() - self._measured_at >= MEASURE_S:
                self._measured_at = self._moments.now()
                await self._measure([held for held in self._held.values() if held.loaded])
            for reason, leaving in self._too_many():
                await self._unload(leaving, reason)
        self._tell()

    def _held_of(self, model: str) -> Held | None:
        unit = self._units.by_model.get(model)
        return self._held.get(unit.name) if unit else None

    def _lease(self, held: Held, *, probe: bool = False) -> float:
        now = self._moments.now()
        held.safe_until = max(held.safe_until, now + LEASE_S + SLACK_S)
        if not probe:
            held.used_at = now
        return LEASE_S

    async def _awaited(self, held: Held) -> float:
        """Until when calls may pass."""
        name, now = held.unit.name, self._moments.now()
        if held.loading is None and held.trouble is not None and now < held.trouble.again_at:
            raise Unavailable(f"model {name}: {held.trouble.reason}")
        if held.waiting >= self._terms.waiting:
            raise TooMuch(f"model {name}: {held.waiting} calls wait for its load, which is the most", RETRY_AFTER_S)
        if held.loading is None:
            held.loading = self._tasks.create_task(self._bring(held))
        held.waiting += 1
        try:
            async with asyncio.timeout(self._deadlines.load_s):
                told = await asyncio.shield(held.loading)
        except TimeoutError:
            raise Unavailable(f"model {name}: it was not loaded within {self._deadlines.load_s:g} s") from None
        finally:
            held.waiting -= 1
        if isinstance(told, ConchError):
            raise told
        return told

    async def _bring(self, held: Held) -> float | ConchError:
        """For all who wait, also those who have left."""
        try:
            async with self._turn:
                await self._load(held)
                held.loaded, held.trouble = True, None
                return self._moments.now() + self._lease(held)
        except RefusedVersion as refused:
            held.failed(refused.message, self._moments.now())
            return Unavailable(f"model {held.unit.name}: {refused.message}")
        except (ConchError, OSError) as error:
            return Unavailable(f"model {held.unit.name}: {error}")
        finally:
            held.loading = None
            self._tell()

    async def _load(self, held: Held) -> None:
        if held.loaded or held.is_in(await self._server.ready()):
            return
        began = self._moments.now()
        needed = await self._needed(held)
        there = [other.occupant() for other in self._held.values() if other.loaded]
        leaving = to_leave(there, needed, self._terms.bound_bytes)
        if leaving:
            await self._unload([self._held[name] for name in leaving], f"room for {held.unit.name}")
        async with self._server.alone():
            try:
                await self._server.load(held.unit)
                await self._measure([held])
                await self._keep_if_it_fits(held)
            except RefusedVersion as refused:
                self._journal("load failed", held, reason=refused.message)
                raise
            self._journal(
                "loaded on demand",
                held,
                callers=held.waiting,
                took_s=round(self._moments.now() - began, 3),
                mib=round(held.size_bytes / 2**20, 1),
            )

    async def _needed(self, held: Held) -> int:
        """Bytes, as it was measured, or as its files are large. Raises RefusedVersion where it never fits."""
        if held.size is not None and held.size.versions == self._server.versions(held.unit):
            needed = held.size.size_bytes
        else:
            needed = sum([await self._memory.of_files(member) for member in held.unit.members])
        self._check(needed)
        return needed

    async def _keep_if_it_fits(self, held: Held) -> None:
        try:
            self._check(held.size_bytes)
        except RefusedVersion:
            await self._server.unload(held.unit)
            raise

    def _check(self, size_bytes: int) -> None:
        bound = self._terms.bound_bytes
        if bound is not None and size_bytes > bound:
            mib = size_bytes / 2**20
            raise RefusedVersion(f"it needs {mib:.1f} MiB, and on_demand.memory_mib is {self._terms.memory_mib}")

    async def _measure(self, those: Collection[Held]) -> None:
        measured = await self._memory.measured() if those else {}
        for held in those:
            sizes = [measured.get(member) or await self._memory.of_files(member) for member in held.unit.members]
            held.size = Size(self._server.versions(held.unit), sum(sizes))

    def _too_many(self) -> Sequence[tuple[str, Sequence[Held]]]:
        """Who leaves now though nobody waits for the room, and why."""
        loaded = [held for held in self._held.values() if held.loaded]
        idle_s, now = self._terms.idle_s, self._moments.now()
        idle = [held for held in loaded if idle_s is not None and now - held.used_at >= idle_s]
        left = [held.occupant() for held in loaded if held not in idle]
        beyond = [self._held[name] for name in to_leave(left, 0, self._terms.bound_bytes)]
        return [
            (reason, those) for reason, those in ((f"idle for {idle_s} s", idle), ("over the bound", beyond)) if those
        ]

    async def _unload(self, leaving: Sequence[Held], reason: str) -> None:
        for held in leaving:
            held.loaded = False  # from here on who asks waits
        while (rest_s := max(held.safe_until for held in leaving) - self._moments.now()) > 0:
            await self._moments.sleep(rest_s)
        async with self._server.alone():
            for held in leaving:
                await self._server.unload(held.unit)
                self._journal("unloaded on demand", held, reason=reason)

    async def _see(self) -> None:
        """What a publisher, an operator or a server's end has changed."""
        ready: Mapping[str, Sequence[int]] = {}
        if self._held:
            with contextlib.suppress(Unavailable):
                ready = await self._server.ready()
        now = self._moments.now()
        for held in self._held.values():
            there = held.is_in(ready)
            if there and not held.loaded:
                held.used_at, held.safe_until = now, now + SETTLE_S
            held.loaded = there

    def _follow(self) -> None:
        """rollout.toml and `live/`, as they are now; while they cannot be read, as they were."""
        seen = self._signature()
        if seen == self._followed:
            return
        self._followed = seen
        try:
            terms, found = Policy.read(self._folders.root).on_demand, units(self._folders)
        except ConchError as error:
            logger.warning("what is on demand stays as it was: %s", error.message)
            return
        for name, reason in found.refused.items():
            if self._units.refused.get(name) != reason:
                logger.warning("model %s is not on demand: %s", name, reason)
        if terms != self._terms:
            for held in self._held.values():
                held.trouble = None
        before = {held.unit: held for held in self._held.values()}
        self._held = {name: before.get(unit) or Held(unit) for name, unit in found.by_name.items()}
        self._terms, self._units = terms, found

    def _signature(self) -> object:
        """Of what `units` reads, but for the configs of models that stay."""
        paths = (self._folders.root / "rollout.toml", self._folders.live_models, self._folders.live_ensembles)
        return [path.stat().st_mtime_ns if path.exists() else None for path in paths]

    def _tell(self) -> None:
        self._folders.on_demand.write(
            {member: held.loaded for held in self._held.values() for member in held.unit.members}
        )

    def _journal(self, action: str, held: Held, **evidence: object) -> None:
        logger.info("%s: %s %s", held.unit.name, action, evidence)
        self._folders.journal.append(action, held.unit.name, None, **evidence)


async def keep_loading(loader: Loader, every_s: float) -> None:
    """Until cancelled."""
    while True:
        try:
            await loader.step()
        except (ConchError, OSError) as error:
            logger.warning("models on demand are not looked after: %s", error)
        await asyncio.sleep(every_s)
