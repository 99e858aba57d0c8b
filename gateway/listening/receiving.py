"""Chunks as they come from the caller: decoded, accounted for, and put where they are heard next."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.refusals import refusal_of
from gateway.audio import Samples
from gateway.listening.accounts import Accounts, Arrival
from gateway.listening.bounds import Bounds
from gateway.listening.counting import Counting
from gateway.listening.events import Failed, Gap
from gateway.listening.inlet import Inlet, Skip
from gateway.listening.opening import Opening
from gateway.listening.outlet import Outlet
from gateway.listening.pace import Pace, Pacing


@dataclass(frozen=True, slots=True)
class Chunk:
    data: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is no chunk."""

    error: InvalidRequest


class Receiving:
    def __init__(
        self,
        opening: Opening,
        inlet: Inlet,
        outlet: Outlet,
        counting: Counting,
        bounds: Bounds,
        pacing: Pacing,
        clock: Callable[[], float],
    ) -> None:
        self._format = opening.format
        self._tenant = opening.tenant
        self._inlet = inlet
        self._outlet = outlet
        self._counting = counting
        self._bounds = bounds
        self._clock = clock
        self._accounts = Accounts(opening.format.rate, opening.resume_offset, bounds.back_s)
        self._pace = Pace(opening.format.rate, pacing, clock())
        self.arrived_at = clock()
        """When audio came last."""

    @property
    def received_to(self) -> int:
        return self._accounts.received_to

    async def run(self, chunks: AsyncIterator[Chunk | Unreadable]) -> None:
        """Until the caller sends no more. Raises InvalidRequest where the declared rate is not the microphone's."""
        async for chunk in chunks:
            if isinstance(chunk, Unreadable):
                await self._refuse("message", chunk.error)
                continue
            try:
                pcm = self._decoded(chunk)
            except InvalidRequest as error:
                await self._refuse("chunk", error)
                continue
            try:
                arrival = self._accounts.arrive(chunk.offset, len(pcm))
            except InvalidRequest as error:
                await self._refuse("offset", error)
                continue
            await self._take_in(pcm, arrival)

    async def _refuse(self, reason: str, error: InvalidRequest) -> None:
        self._counting.audio_refused(self._tenant, reason)
        await self._outlet.tell([Failed(-1, refusal_of(error).grpc, error.message)])

    def _decoded(self, chunk: Chunk) -> Samples:
        most = round(self._bounds.chunk_s * self._format.rate)
        pcm = self._format.decode(chunk.data)
        if len(pcm) > most:
            raise InvalidRequest(f"the chunk has {len(pcm)} samples, at most {most} are taken")
        return pcm

    async def _take_in(self, pcm: Samples, arrival: Arrival) -> None:
        fresh = pcm[arrival.skipped :]
        if arrival.skipped:
            self._counting.audio_refused(self._tenant, "overlap" if len(fresh) else "duplicate")
        if arrival.gap is not None:
            await self._bridge(*arrival.gap)
        if not len(fresh):
            return
        self.arrived_at = self._clock()
        held_up = await self._inlet.put(fresh)
        self._pace.heard(self.arrived_at, self.received_to, held_up=held_up)

    async def _bridge(self, start_offset: int, end_offset: int) -> None:
        """A short gap by silence; over a longer one nothing goes on."""
        missing_s = (end_offset - start_offset) / self._format.rate
        self._counting.gap(self._tenant, missing_s)
        await self._outlet.tell([Gap(start_offset, end_offset)])
        if missing_s > self._bounds.gap_s:
            await self._inlet.mark(Skip(end_offset))
        else:
            await self._inlet.put(np.zeros(end_offset - start_offset, np.int16))
