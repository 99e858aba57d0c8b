"""How far one server is from what it should serve, and the loads that bring it there."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from conch.clients.triton_http import ListedModel
from conch.contracts.errors import ConchError
from conch.rollout.desired import Desired, Versions
from conch.rollout.folders import Folders
from conch.rollout.refusals import RefusedVersion, Wedged
from conch.rollout.server import ListedServer, ready_versions
from conch.rollout.steps import Reached, unheard
from conch.rollout.trying_out import Deadlines
from conch.rollout.versions import is_candidate

logger = logging.getLogger(__name__)

RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before a model that does not load is tried again."""
UNLOADED = "unloaded"
"""Triton's reason of a model that somebody unloaded; after a start there is none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a server serves otherwise than it should."""

    load: Sequence[str] = ()
    unload: Sequence[str] = ()
    loading: Sequence[str] = ()
    """Candidates among them: one that loads while nobody publishes is left over."""

    @property
    def is_none(self) -> bool:
        return not (self.load or self.unload)


def difference(wanted: Mapping[str, Versions], listed: Sequence[ListedModel], alone: bool) -> Difference:
    """What somebody unloaded stays so on a server that is `alone`; of several, callers must not meet different ones."""
    ready = ready_versions(listed)
    loading = sorted({one.name for one in listed if one.state == "LOADING"})
    unloaded = {one.name for one in listed if one.reason == UNLOADED} - ready.keys() if alone else set()
    return Difference(
        [
            model
            for model, versions in wanted.items()
            if list(ready.get(model, ())) != list(versions) and model not in unloaded and model not in loading
        ],
        [model for model in ready if is_candidate(model)],
        loading,
    )


@dataclass(slots=True)
class Trouble:
    """A model that a server does not load."""

    reason: str
    tries: int
    again_at: float


@dataclass(slots=True)
class Convergence:
    """Of one server; `troubles` are forgotten when it starts again."""

    name: str
    server: ListedServer
    folders: Folders
    desired: Desired
    deadlines: Deadlines
    clock: Callable[[], float]
    reached: Reached = unheard
    troubles: dict[str, Trouble] = field(default_factory=dict)

    async def close(self, gap: Difference) -> None:
        """Under the lock: load and unload what is not as it should be, as far as its time has come."""
        for model in gap.unload:
            await self.server.unload(model, self.deadlines.unload_s)
            self.reached("unloaded")
            self._journal("unloaded", model)
        for model in gap.load:
            trouble = self.troubles.get(model)
            if trouble is None or trouble.again_at <= self.clock():
                await self._load(model, trouble)

    async def prove(self, wanted: Mapping[str, Versions]) -> str:
        """Every model that can be asked is; empty, or what one of them has against it."""
        for model, versions in wanted.items():
            try:
                await self._ask(model, versions)
            except RefusedVersion as refused:
                return f"model {model}: {refused.message}"
        return ""

    async def _ask(self, model: str, versions: Versions) -> None:
        for probe in self.desired.probes(model, versions):
            await self.server.ask(model, versions[-1], probe, self.deadlines.probe_s)

    async def _load(self, model: str, trouble: Trouble | None) -> None:
        try:
            await self.server.load(model, self.deadlines.load_s)
        except RefusedVersion as refused:
            self._note(model, refused, trouble)
            return
        self.troubles.pop(model, None)
        self.reached("loaded")
        self._journal("loaded", model)

    def _note(self, model: str, refused: ConchError, trouble: Trouble | None) -> None:
        tries = trouble.tries if trouble else 0
        delay_s = RETRY_S[min(tries, len(RETRY_S) - 1)]
        self.troubles[model] = Trouble(refused.message, tries + 1, self.clock() + delay_s)
        if trouble is None or trouble.reason != refused.message:
            logger.warning("server %s: model %s: %s", self.name, model, refused.message)
            self._journal("wedged" if isinstance(refused, Wedged) else "load failed", model, reason=refused.message)

    def _journal(self, action: str, model: str, **evidence: str) -> None:
        self.folders.journal.append(action, model, None, server=self.name, **evidence)
        self.reached(f"{action}, and journaled")
