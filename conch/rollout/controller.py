"""Bring every server to what it should serve, and keep callers from one that does not.

`step()` again and again. A server is looked at by its own address, and called CONVERGED under the lock alone: a
publisher that is at work sees the same servers from its first step to its last.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conch.clients.triton_http import Absent, ListedModel
from conch.contracts.errors import ConchError, Unavailable
from conch.rollout.convergence import Convergence, Difference, difference
from conch.rollout.desired import Desired, Versions
from conch.rollout.folders import Folders
from conch.rollout.lock import holding
from conch.rollout.orders import Deed, Order
from conch.rollout.refusals import Busy
from conch.rollout.server import ListedServer
from conch.rollout.servers import ServerAddress, ServerState, ServerStatus
from conch.rollout.steps import Reached, unheard
from conch.rollout.trying_out import Deadlines
from conch.rollout.versions import is_candidate
from conch.rollout.wedges import Wedges

logger = logging.getLogger(__name__)

MISSES = 3
"""In a row: a server that was slow once is not away."""
DRAIN_S = 3.0
"""Between the edge's being told and the server's: new calls go elsewhere then. Those that run, Triton ends itself."""


@dataclass(slots=True)
class Watched:
    """A server, as it was found the last time."""

    address: ServerAddress
    server: ListedServer
    convergence: Convergence
    wedges: Wedges
    state: ServerState = ServerState.AWAY
    reason: str = "it has not been seen yet"
    misses: int = MISSES
    drained_at: float | None = None
    proved: bool = False
    """It has answered its probes to this controller; one that the controller before called CONVERGED has still to."""
    listed: Sequence[ListedModel] | None = None

    @property
    def status(self) -> ServerStatus:
        return ServerStatus(self.address, self.state, self.reason)


class Controller:
    def __init__(
        self,
        folders: Folders,
        servers: Mapping[ServerAddress, ListedServer],
        *,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
        resting: Callable[[], Collection[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        reached: Reached = unheard,
    ) -> None:
        self._folders = folders
        self._reached = reached
        self._desired = Desired(folders, resting)
        self._clock = clock
        self._written: Sequence[ServerStatus] | None = None
        self._watched = [
            Watched(
                address,
                server,
                Convergence(address.name, server, folders, self._desired, deadlines, clock, reached),
                Wedges(clock),
            )
            for address, server in servers.items()
        ]
        self._follow(folders.servers.read())

    @property
    def statuses(self) -> Sequence[ServerStatus]:
        return [one.status for one in self._watched]

    async def step(self) -> None:
        """Raises ConchError for what is none of the servers' faults."""
        await asyncio.gather(*(self._look(one) for one in self._watched))
        wanted = self._desired.read()
        self._tell()
        if self._ended() or any(self._is_due(one, wanted) for one in self._watched):
            try:
                with holding(self._folders.lock):
                    for path in self._ended():
                        path.rmdir()
                        self._reached("left over removed")
                    for one in self._watched:
                        await self._mend(one)
            except Busy:
                return  # what looks wrong may be a publisher's work half done
            self._tell()

    def _follow(self, before: Sequence[ServerStatus]) -> None:
        """Go on where a controller before has ended: who gets calls gets them, and who was kept from them is."""
        states = {one.address: one for one in before}
        for one in self._watched:
            match states.get(one.address):
                case ServerStatus(state=ServerState.CONVERGED):
                    one.state, one.reason, one.misses = ServerState.CONVERGED, "", 0
                case ServerStatus(state=ServerState.DRAINING, reason=reason):
                    # Whether it was told to start again nobody knows any more.
                    one.state, one.reason, one.misses = ServerState.DRAINING, reason, 0
                    one.drained_at = self._clock()

    def _ended(self) -> Sequence[Path]:
        """Folders of candidates whose load has ended on every server; one that is away will have forgotten it."""
        loading = {model.name for one in self._watched for model in one.listed or () if model.state == "LOADING"}
        return [path for path in self._folders.left_over() if path.name not in loading]

    async def _look(self, one: Watched) -> None:
        try:
            one.listed = await one.server.models()
        except Unavailable as error:
            one.listed = None
            one.misses += 1
            if one.state is not ServerState.AWAY and (one.misses >= MISSES or isinstance(error, Absent)):
                self._lose(one, error.message)
            return
        one.misses = 0
        one.wedges.see([model.name for model in one.listed if model.state == "LOADING"])
        if one.state is ServerState.AWAY:
            one.state, one.reason = ServerState.CONVERGING, "it has been started"
        elif one.drained_at is not None and not one.wedges.loads:
            one.state, one.reason, one.drained_at = ServerState.CONVERGING, "its load has ended", None
            self._folders.orders.forget(one.address.name)

    def _lose(self, one: Watched, reason: str) -> None:
        one.state, one.reason, one.drained_at, one.proved = ServerState.AWAY, reason, None, False
        one.convergence.troubles.clear()
        one.wedges.forget()
        self._journal(one, "server away", reason=reason)

    def _is_due(self, one: Watched, wanted: Mapping[str, Versions]) -> bool:
        """Whether there is anything to do for it now, as far as can be seen without the lock."""
        if one.listed is None:
            return False
        if one.state is ServerState.DRAINING:
            return self._is_drained(one)
        if one.wedges.to_end() or one.wedges.hopeless():
            return True
        gap = self._gap(one, wanted, one.listed)
        if gap.is_none:
            return one.state is not ServerState.CONVERGED or not one.proved
        again = [one.convergence.troubles[model].again_at for model in gap.load if model in one.convergence.troubles]
        return bool(gap.unload) or len(again) < len(gap.load) or min(again) <= self._clock()

    def _gap(self, one: Watched, wanted: Mapping[str, Versions], listed: Sequence[ListedModel]) -> Difference:
        return difference(wanted, listed, alone=len(self._watched) == 1)

    async def _mend(self, one: Watched) -> None:
        """Under the lock."""
        try:
            if one.state is ServerState.DRAINING:
                self._order_restart(one)
            elif one.state is not ServerState.AWAY:
                await self._converge(one)
                self._unwedge(one)
        except Unavailable as error:
            one.reason = error.message  # the next look tells more

    async def _converge(self, one: Watched) -> None:
        wanted = self._desired.read()
        gap = self._gap(one, wanted, await one.server.models())
        if not gap.is_none:
            if gap.load and one.state is ServerState.CONVERGED:
                one.state, one.reason = ServerState.CONVERGING, f"it does not serve {', '.join(gap.load)} as it should"
                self._tell()  # before a load: callers go elsewhere
            await one.convergence.close(gap)
            gap = self._gap(one, wanted, await one.server.models())
        left = [model for model in {*gap.load, *gap.loading} if not is_candidate(model)]
        if left:
            reasons = [f"{model}: {trouble.reason}" for model, trouble in one.convergence.troubles.items()]
            one.reason = "; ".join(reasons) or f"{', '.join(sorted(left))} is loading"
        elif one.state is not ServerState.CONVERGED or not one.proved:
            one.reason = await one.convergence.prove(wanted)
            one.proved = not one.reason
            if one.reason:
                one.state = ServerState.CONVERGING
            elif one.state is not ServerState.CONVERGED:
                one.state = ServerState.CONVERGED
                self._journal(one, "server converged", models=len(wanted))

    def _unwedge(self, one: Watched) -> None:
        for model in one.wedges.to_end():
            reason = f"the load of {model} does not end"
            self._folders.orders.give(one.address.name, Order(Deed.END_STUBS, reason, model))
            self._reached("end of stubs ordered")
            one.wedges.ended(model)
            self._journal(one, "stubs ended", model, reason=reason)
            return  # one order at a time
        for model in one.wedges.hopeless():
            reason = f"the load of {model} does not end, and has no stub that could"
            one.wedges.give_up(model)
            others = any(other.state is ServerState.CONVERGED for other in self._watched if other is not one)
            # The only server that answers is not ended for a name that nobody calls.
            restarts = others or not is_candidate(model)
            self._journal(one, "wedged", model, reason=reason, restarts=restarts)
            if restarts:
                one.state, one.reason, one.drained_at = ServerState.DRAINING, reason, self._clock()
                return

    def _is_drained(self, one: Watched) -> bool:
        return one.drained_at is not None and self._clock() - one.drained_at >= DRAIN_S

    def _order_restart(self, one: Watched) -> None:
        if self._is_drained(one):  # another server may be why there is something to mend
            one.drained_at = None
            self._folders.orders.give(one.address.name, Order(Deed.RESTART, one.reason))
            self._reached("restart ordered")
            self._journal(one, "restart ordered", reason=one.reason)

    def _journal(self, one: Watched, action: str, model: str = "", **evidence: object) -> None:
        logger.info("server %s: %s %s %s", one.address.name, action, model, evidence)
        self._folders.journal.append(action, model, None, server=one.address.name, **evidence)
        self._reached(f"{action}, and journaled")

    def _tell(self) -> None:
        if self.statuses != self._written:
            self._written = self.statuses
            self._folders.servers.write(self._written)
            self._reached("told")


async def keep_stepping(controller: Controller, every_s: float) -> None:
    """Until cancelled."""
    while True:
        try:
            await controller.step()
        except (ConchError, OSError) as error:
            logger.warning("the servers are not looked after: %s", error)
        await asyncio.sleep(every_s)
