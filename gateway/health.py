"""Whether each service can answer now, proved by inference: Triton's own readiness stays good when a model is dead.

A model that answered a call a moment ago needs no probe, so a busy server is not mistaken for a dead one. A fault that
whoever keeps the server has found counts from then on, whatever was answered before.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from conch.clients.faults import Faults
from conch.clients.inference import CallOptions
from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.on_demand import says_resting
from gateway.observed import ObservedInference
from gateway.probes import PROBES, by_example

SERVICES: Mapping[str, tuple[str, ...]] = {
    "conch.voice.v1.Voice": ("whisper", "vad", "intent", "piper", "voice_command"),
    "conch.text.v1.Text": ("embedding",),
    "conch.recommend.v1.Recommend": ("recommend",),
}
"""Each service and the models it depends on."""

ALL = ""
"""The name by which the health protocol asks for the whole server."""

PROBE_REQUEST_ID = "health"
"""Tells probes from callers in the logs of the models."""


@dataclass(frozen=True, slots=True)
class Verdict:
    ready: bool
    reason: str = ""
    """Of a model that is not ready; empty for one that is."""


GOOD = Verdict(ready=True)
DRAINING = Verdict(ready=False, reason="the gateway is draining")


class ModelHealth:
    """One verdict a model, kept for a short while; whoever asks meanwhile shares the probe that runs."""

    def __init__(
        self,
        inference: ObservedInference,
        faults: Faults | None = None,
        *,
        keep_s: float = 5.0,
        deadline_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inference = inference
        self._faults = faults
        self._keep_s = keep_s
        self._deadline_s = deadline_s
        self._clock = clock
        self._verdicts: dict[tuple[str, str], tuple[float, Verdict]] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def of_triton(self) -> Verdict:
        """Well where it answers at all."""
        try:
            await self._inference.index()
        except ConchError as error:
            return Verdict(ready=False, reason=error.message)
        return GOOD

    async def of_all(self, models: Collection[str]) -> Verdict:
        """The first that is not well; one that is not served is not."""
        verdicts = await asyncio.gather(*map(self.of_model, sorted(models)))
        return next((verdict for verdict in verdicts if not verdict.ready), GOOD)

    async def of_server(self) -> Verdict:
        """Not well where a model that it serves, or should, is not, of those that are in PROBES.

        Others do not count: a model that somebody drops into the repository must not take a server out of its
        balancer, and one of ours that is not there is no fault of the server's.
        """
        try:
            models = {one.name for one in await self._inference.index() if one.wanted} & PROBES.keys()
        except ConchError as error:
            return Verdict(ready=False, reason=error.message)
        return await self.of_all(models)

    async def of_version(self, model: str, version: str) -> Verdict:
        """`version` empty is the one that callers get who name none.

        Of a model that is not in PROBES and names no example Triton's own word is taken, which may be wrong: what it
        can be asked, only its maker knows.
        """
        # Asked first: names and versions that nobody has leave nothing behind here.
        if not await self._inference.ready(model, version):
            named = f"model {model} version {version}" if version else f"model {model}"
            return Verdict(ready=False, reason=f"{named} is not at ready state")
        return await self.of_model(model, version)

    async def of_model(self, model: str, version: str = "") -> Verdict:
        if reason := self._known_fault(model):
            return Verdict(ready=False, reason=reason)
        key = model, version
        async with self._locks.setdefault(key, asyncio.Lock()):
            ago_s = self._inference.answered_ago_s(model, version)
            if ago_s is not None and ago_s < self._keep_s:
                return GOOD
            at, verdict = self._verdicts.get(key, (float("-inf"), GOOD))
            # A model that is down is asked again sooner, so that its recovery shows.
            if self._clock() - at >= (self._keep_s if verdict.ready and ago_s is not None else self._keep_s / 5):
                verdict = await self._probe(model, version)
                self._verdicts[key] = (self._clock(), verdict)
            return verdict

    def _known_fault(self, model: str) -> str:
        """Empty: of none. A fault lasts until a probe has passed, whoever may have been answered meanwhile."""
        return self._faults.of(model) if self._faults is not None else ""

    async def _probe(self, model: str, version: str) -> Verdict:
        call = CallOptions(PROBE_REQUEST_ID, deadline_s=self._deadline_s, version=version)
        try:
            async with asyncio.timeout(self._deadline_s):
                await PROBES.get(model, partial(by_example, model))(self._inference, call)
        except TimeoutError:
            return Verdict(ready=False, reason=f"model {model}: no answer within {self._deadline_s} s")
        except ConchError as error:
            if says_resting(error.message):
                return GOOD
            return Verdict(ready=False, reason=error.message)
        return GOOD


class Health:
    """What both faces tell: of every service, and whether the process itself still takes calls."""

    def __init__(
        self,
        models: ModelHealth,
        services: Mapping[str, tuple[str, ...]] = SERVICES,
        vital: Collection[str] = (),
    ) -> None:
        """`vital` decides for the whole server; empty: all models of ours that are served, and all of `services`."""
        self._models = models
        self._vital = vital
        self.services = services
        self._draining = asyncio.Event()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    def drain(self) -> None:
        """From now on every answer is no."""
        self._draining.set()

    async def of_triton(self) -> Verdict:
        """As KServe's "live": whether anything could be answered."""
        return await self._models.of_triton()

    async def of_server(self) -> Verdict:
        """As KServe means it: that of the whole inference server, and of this process."""
        if self.draining:
            return DRAINING
        return await (self._models.of_all(self._vital) if self._vital else self._models.of_server())

    async def of_version(self, model: str, version: str = "") -> Verdict:
        """As KServe asks for one model. Raises InvalidRequest for what is no version."""
        if version and not 0 < _number(version) < 2**63:
            raise InvalidRequest(f"version is {version!r}, a whole number above 0 is needed")
        return DRAINING if self.draining else await self._models.of_version(model, version)

    async def of_models(self, service: str) -> dict[str, Verdict]:
        models = self.services[service]
        return dict(zip(models, await asyncio.gather(*map(self._models.of_model, models)), strict=True))

    async def ready(self, service: str = ALL) -> bool:
        """Raises KeyError for a service that is not one of `services`."""
        if self.draining:
            return False
        if service == ALL and self._vital:
            return (await self.of_server()).ready
        services = self.services if service == ALL else (service,)
        verdicts = await asyncio.gather(*map(self.of_models, services))
        return all(verdict.ready for by_model in verdicts for verdict in by_model.values())

    async def watch(self, service: str, every_s: float) -> AsyncIterator[bool]:
        """The first answer, then each that differs from the one before; ends with the no of a drain."""
        last: bool | None = None
        while True:
            now = await self.ready(service)
            if now is not last:
                yield now
            last = now
            if self.draining and not now:
                return
            try:
                async with asyncio.timeout(every_s):
                    await self._draining.wait()
            except TimeoutError:
                continue


def _number(version: str) -> int:
    """0 for what is no number, or too long for one."""
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 20 else 0
