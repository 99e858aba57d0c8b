"""The Triton that versions go to: loads and unloads with a deadline each, and questions to one version."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from conch.clients.inference import Arrays, CallOptions
from conch.clients.metadata import ModelMetadata
from conch.clients.triton import TritonInference
from conch.clients.triton_http import ListedModel, TritonHttp
from conch.clients.triton_loads import LoadTimeout, TritonLoads
from conch.contracts.errors import ConchError, Unavailable
from conch.rollout.probes import ModelProbe, arrays_of, check_answer
from conch.rollout.refusals import RefusedVersion, Wedged


class ModelServer(Protocol):
    async def load(self, model: str, deadline_s: float) -> None:
        """As its live config now says. Raises RefusedVersion where it does not load, Wedged where that does not end."""
        ...

    async def unload(self, model: str, deadline_s: float) -> None:
        """Raises Unavailable."""
        ...

    async def ready(self) -> Mapping[str, Sequence[int]]:
        """Versions that can be called, by model. Raises Unavailable."""
        ...

    async def loading(self) -> Collection[str]:
        """Models whose load has not ended. Raises Unavailable."""
        ...

    async def ask(self, model: str, version: int, probe: ModelProbe, deadline_s: float) -> None:
        """Raises RefusedVersion where it does not answer, or answers wrong."""
        ...


class ListedServer(ModelServer, Protocol):
    """One that can be looked at by itself."""

    async def models(self) -> Sequence[ListedModel]:
        """All that it knows, as it says itself. Raises Unavailable."""
        ...


class TritonServer(ListedServer):
    def __init__(self, http: str, grpc: str) -> None:
        self._http = http
        self._grpc = grpc

    async def load(self, model: str, deadline_s: float) -> None:
        async with TritonHttp(self._http) as triton:
            await triton.models()  # whether it is there at all is no fault of the version's
        try:
            reason = await TritonLoads(self._grpc).load(model, deadline_s)
        except LoadTimeout as error:
            raise Wedged(f"it was not loaded within {deadline_s:g} s") from error
        if reason:
            raise RefusedVersion(f"it does not load: {_first_lines(reason)}")

    async def unload(self, model: str, deadline_s: float) -> None:
        await TritonLoads(self._grpc).unload(model, deadline_s)

    async def ready(self) -> Mapping[str, Sequence[int]]:
        return ready_versions(await self.models())

    async def loading(self) -> Collection[str]:
        return {one.name for one in await self.models() if one.state == "LOADING"}

    async def models(self) -> Sequence[ListedModel]:
        async with TritonHttp(self._http) as triton:
            return await triton.models()

    async def ask(self, model: str, version: int, probe: ModelProbe, deadline_s: float) -> None:
        call = CallOptions("probe", deadline_s=deadline_s, version=str(version))
        async with TritonInference(self._grpc) as inference:
            try:
                await _connected(inference, deadline_s)
            except TimeoutError:
                raise Unavailable(f"Triton did not answer within {deadline_s:g} s") from None
            try:
                metadata = await inference.metadata(model, call.version)
                answer = await _answer(inference, metadata, arrays_of(metadata, probe.inputs), call)
            except RefusedVersion:
                raise
            except ConchError as error:
                await self.ready()  # whether the server is there at all is no fault of the version's
                raise RefusedVersion(f"it does not answer a probe: {_first_lines(error.message)}") from error
        check_answer(metadata, probe, answer)


def ready_versions(listed: Sequence[ListedModel]) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for one in listed:
        if one.state == "READY" and one.version.isdecimal():
            found.setdefault(one.name, []).append(int(one.version))
    return {model: sorted(versions) for model, versions in found.items()}


async def _connected(inference: TritonInference, deadline_s: float) -> None:
    """A channel's first attempts may fail on a busy machine, which says nothing of the version."""
    async with asyncio.timeout(deadline_s):
        while True:
            try:
                await inference.index()
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def _answer(inference: TritonInference, metadata: ModelMetadata, inputs: Arrays, call: CallOptions) -> Arrays:
    if not metadata.decoupled:
        return await inference.infer(metadata.name, inputs, call=call)
    first: Arrays | None = None
    async for answer in inference.stream(metadata.name, inputs, call=call):
        first = answer if first is None else first
    if first is None:
        raise RefusedVersion("it gives no answer to a probe")
    return first


def _first_lines(reason: Any, most: int = 300) -> str:
    """Without the stack of the stub that follows."""
    text = str(reason).split("\n\nAt:")[0].strip().replace("\n", " ")
    return text[:most]
