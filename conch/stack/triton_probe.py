"""Whether a Triton works: every model infers. Triton's own health is not asked: it stays well when a model is dead.

A model that answers others is left alone; an idle one is asked every few seconds. A dead stub is seen at once, among
the server's processes, and one that leaks by its memory. All are healed by a load, which ends no call. What the rollout
controller wants done to the process is done here.
"""

import asyncio
import logging
import math
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conch.clients.faults import EVERY
from conch.clients.triton_http import TritonHttp, Unanswered
from conch.clients.triton_loads import Loads
from conch.rollout.companions import ensembles_of
from conch.rollout.folders import Folders
from conch.rollout.orders import Deed
from conch.rollout.servers import STACK
from conch.rollout.versions import is_candidate
from conch.stack.heals import Heals
from conch.stack.leaks import LeakBound, Leaks
from conch.stack.processes import ProcessMark
from conch.stack.samples import SAMPLES, sample
from conch.stack.service import Hopeless, NotYet, Probe, Sick
from conch.stack.stubs import Stubs

logger = logging.getLogger(__name__)

ASK_EVERY_S = 5.0
"""An idle model."""
DEADLINE_S = 2.0
FIRST_DEADLINE_S = 20.0
"""Of the inference that shows a model to be ready: it may be the one that warms it up."""
HUNG_S = 30.0
"""Without any answer for so long, a model is hung and not busy."""
END_S = 12.0
"""Of a server that is told to end; it waits for ten itself."""
LEFT_OVER_S = 10.0
"""A candidate's stubs end with it, if Triton ends them at all."""
LOAD_S = 20.0
"""A load can hang for good; then the server is started again."""

_DEAD_STUB = "Stub process"
_INSTANCE = re.compile(r"Stub process '([^']+)'")


class SickModel(Sick):
    """One model does not infer, the others do."""

    def __init__(
        self, model: str, message: str, *, instance: str | None = None, hung: bool = False, answers: bool = False
    ) -> None:
        super().__init__(f"model {model} {message}")
        self.model = model
        self.answers = answers
        """All the same: its callers notice nothing."""
        self.instance = instance
        """The one of its instances that does not, where one is known."""
        self.hung = hung
        """What it is doing will not end."""


class Ordered(Sick):
    """The rollout controller wants the server started again; it gets no new calls any more."""


@dataclass(slots=True)
class Watched:
    """What is known of a model that should infer."""

    config: Mapping[str, Any]
    answered: int = -1
    alive_at: float = -math.inf
    refusals: int = 0
    """In a row, that say its stub is dead."""


class TritonProbe(Probe):
    """`first_start`: what cannot be loaded then is a mistake to be mended, later one to be borne."""

    def __init__(
        self,
        address: str,
        loads: Loads,
        process: ProcessMark,
        folders: Folders,
        first_start: bool,
        clock: Callable[[], float] = time.monotonic,
        heals: Heals | None = None,  # of all starts
        leak: LeakBound = LeakBound(),  # noqa: B008 - frozen
    ) -> None:
        self._address = address
        self._loads = loads
        self._process = process
        self._folders = folders
        self._first_start = first_start
        self._clock = clock
        self._stubs = Stubs(process)
        self._leaks = Leaks(leak)
        self._watched: dict[str, Watched] = {}
        self._asked_at = -math.inf
        self._dead: set[str] = set()
        self._heals = heals if heals is not None else Heals()

    @property
    def retired(self) -> set[ProcessMark]:
        """Stubs that have been replaced, and that Triton would wait for as long as it may."""
        return self._stubs.retired

    async def ready(self) -> None:
        async with TritonHttp(self._address) as triton:
            try:
                await self._list_models(triton)
                await asyncio.gather(*(self._await_answer(triton, model) for model in self._watched))
            except Unanswered as error:
                raise NotYet(error.message) from error
        await asyncio.to_thread(self._stubs.refresh)
        self._folders.faults.end_all()

    async def look(self) -> None:
        try:
            await self._look()
        except Ordered as sick:
            self._folders.faults.begin([EVERY], sick.message)
            raise
        except SickModel as sick:
            if not sick.answers:
                self._folders.faults.begin(self._concerned(sick.model), sick.message)
            raise

    def _concerned(self, model: str) -> list[str]:
        return [model, *ensembles_of(self._folders, model)]

    async def _look(self) -> None:
        self._stubs.end_retired(self._clock())
        await asyncio.to_thread(self._obey)
        self._dead |= {model for model in self._stubs.dead_models() if not is_candidate(model)}
        for model in sorted(self._dead):
            self._report(SickModel(model, "has lost its python stub"))
        if self._clock() - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = self._clock()
        await asyncio.to_thread(self._stubs.refresh)
        there = [path.name for path in self._folders.candidates()]
        self._stubs.retire_candidates(there, self._clock() + LEFT_OVER_S)
        self._look_for_leaks()
        try:
            async with TritonHttp(self._address) as triton:
                await self._list_models(triton)
                answered = await triton.answered()
                results = await asyncio.gather(
                    *(self._look_at(triton, model, answered.get(model, 0)) for model in self._watched)
                )
        except Unanswered as error:
            self._asked_at = -math.inf
            raise Sick(error.message, certain=False) from error
        for sick in filter(None, results):
            self._report(sick)

    def _report(self, sick: SickModel) -> None:
        """To be healed; one that rests is told of alone, where it is sure to stay as it is."""
        if not self._heals.rests(sick.model, self._clock()):
            raise sick
        if sick.model in self._dead and not self._folders.faults.of(sick.model):
            self._folders.faults.begin(self._concerned(sick.model), sick.message)

    async def heal(self, sick: Sick) -> None:
        if isinstance(sick, Ordered):
            await asyncio.to_thread(self._end)
        if not isinstance(sick, SickModel):
            raise sick
        model, began = sick.model, self._clock()
        if (delay_s := self._heals.begin(model, began)) is None:
            raise Sick(f"{sick.message}, {self._heals.most} times in a row")
        await asyncio.sleep(delay_s)
        self._let_go_of_stubs(sick)
        try:
            async with TritonHttp(self._address) as triton:
                await self._list_models(triton)
                if model in self._watched:  # else somebody has unloaded it
                    await self._load(triton, model)
        except (Unanswered, NotYet) as error:
            raise Sick(f"model {model} does not infer after a load: {error.message}") from error
        await asyncio.to_thread(self._stubs.refresh)
        self._dead.discard(model)
        self._folders.faults.end(self._concerned(model))
        self._heals.end(model, self._clock())
        self._asked_at = -math.inf
        took_s = round(self._clock() - began, 3)
        self._folders.journal.append("healed", model, None, server=STACK, reason=sick.message, took_s=took_s)

    def _obey(self) -> None:
        """Raises Ordered where the server is to be started again."""
        order = self._folders.orders.take(STACK)
        if order is None:
            return
        if order.deed is Deed.RESTART:
            raise Ordered(f"is started again: {order.reason}")
        self._stubs.refresh()
        logger.warning("triton: %s: ended %d stubs", order.reason, self._stubs.end_model(order.model))

    def _end(self) -> None:
        """So that it finishes the calls that it has; whoever keeps it starts the next one."""
        self._process.signal(signal.SIGTERM)
        self._process.wait(END_S)

    def _look_for_leaks(self) -> None:
        for mark, bytes_per_s in self._leaks.see(self._clock(), self._stubs.rss_bytes()).items():
            mib_per_min = bytes_per_s * 60 / 2**20
            raise SickModel(self._stubs.model_of(mark), f"leaks {mib_per_min:.1f} MiB a minute", answers=True)

    def _let_go_of_stubs(self, sick: SickModel) -> None:
        if sick.instance is not None:
            # A stopped stub that goes on again ends the whole server.
            self._stubs.end_instance(sick.instance)
        # Triton does not end the stubs beside a dead one when it loads the model anew.
        self._stubs.retire(sick.model, self._clock() + (0.0 if sick.hung else HUNG_S))
        self._stubs.end_retired(self._clock())

    async def _load(self, triton: TritonHttp, model: str) -> None:
        # A load of a model that has not changed since it was loaded does nothing, even where its stub is dead.
        for version in (self._folders.live_models / model).iterdir():
            if version.is_dir() and version.name.isdigit():
                os.utime(version)
        if reason := await self._loads.load(model, LOAD_S):
            raise Sick(f"model {model} cannot be loaded again: {reason}")
        await self._await_answer(triton, model)

    async def _list_models(self, triton: TritonHttp) -> None:
        """Watch the models that Triton calls ready, but for ensembles: those are as well as their steps."""
        ready: set[str] = set()
        for model in await triton.models():
            if is_candidate(model.name):
                continue  # whoever tries it out answers for it
            if model.state == "READY":
                ready.add(model.name)
            elif model.state == "LOADING":
                if not self._watched:
                    raise NotYet(f"model {model.name} is loading")
            elif not self._watched and model.reason != "unloaded" and self._loads_at_start(model.name):
                # After the first line comes the stack of the stub.
                self._complain(f"model {model.name} cannot be loaded: {_first_line(model.reason or model.state)}")
        for name in ready - self._watched.keys():
            config = await triton.config(name)
            if config.get("platform") != "ensemble":
                self._watched[name] = Watched(config, alive_at=self._clock())
        for name in self._watched.keys() - ready:
            del self._watched[name]

    def _loads_at_start(self, model: str) -> bool:
        return model not in self._folders.on_demand.read()

    def _complain(self, message: str) -> None:
        if self._first_start:
            raise Hopeless(message)
        logger.error("%s; the others are served", message)

    async def _await_answer(self, triton: TritonHttp, model: str) -> None:
        watched = self._watched[model]
        error = await triton.infer(watched.config, sample(watched.config), FIRST_DEADLINE_S)
        if error and (model in SAMPLES or _DEAD_STUB in error):
            raise NotYet(f"model {model} does not infer: {error}")
        watched.alive_at, watched.refusals = self._clock(), 0

    async def _look_at(self, triton: TritonHttp, model: str, answered: int) -> SickModel | None:
        watched = self._watched[model]
        if answered != watched.answered:
            watched.answered, watched.alive_at, watched.refusals = answered, self._clock(), 0
            return None
        try:
            error = await triton.infer(watched.config, sample(watched.config), DEADLINE_S)
        except Unanswered:
            error = "Request timeout expired"
        if _DEAD_STUB in error:
            # Said also of one that had no processor for a second: look again at once.
            watched.refusals += 1
            self._asked_at = -math.inf
            if watched.refusals < 2:
                return None
            instance = _INSTANCE.search(error)
            return SickModel(model, f"does not infer: {error}", instance=instance[1] if instance else None)
        watched.refusals = 0
        if "timeout expired" in error or "maximum queue size" in error:
            silent_s = self._clock() - watched.alive_at
            if silent_s > HUNG_S:
                return SickModel(model, f"has not answered for {silent_s:.0f} s", hung=True)
            return None
        watched.alive_at = self._clock()
        return None


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "no reason was given")
