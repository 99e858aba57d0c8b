"""Chunks as they come from the caller: accounted for, decoded, and put where they are heard next."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from conch.contracts.errors import InvalidRequest
from conch.contracts.refusals import refusal_of
from gateway.audio import Samples
from gateway.listening.accounts import Accounts, Arrival
from gateway.listening.bounds import Bounds
from gateway.listening.counting import Counting
from gateway.listening.decoding import decoder_of
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
        self._decoder = decoder_of(opening.format)
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
        self.taken_to = opening.resume_offset
        """What came before will be heard; what arrived behind it is lost to a session that is told to end."""

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
                samples = self._samples(chunk)
            except InvalidRequest as error:
                await self._refuse("chunk", error)
                continue
            try:
                arrival = self._accounts.place(chunk.offset, samples)
            except InvalidRequest as error:
                await self._refuse("offset", error)
                continue
            await self._take_in(chunk, samples, arrival)

    async def _refuse(self, reason: str, error: InvalidRequest) -> None:
        self._counting.audio_refused(self._tenant, reason)
        await self._outlet.tell([Failed(-1, refusal_of(error).grpc, error.message)])

    def _samples(self, chunk: Chunk) -> int:
        most = round(self._bounds.chunk_s * self._format.rate)
        samples = self._decoder.samples(chunk.data)
        if samples > most:
            raise InvalidRequest(f"the chunk has {samples} samples, at most {most} are taken")
        return samples

    async def _take_in(self, chunk: Chunk, samples: int, arrival: Arrival) -> None:
        is_new = arrival.skipped < samples
        if arrival.skipped:
            self._counting.audio_refused(self._tenant, "overlap" if is_new else "duplicate")
        if not is_new and arrival.gap is None:
            return
        filled = self._filled(arrival.gap, chunk.data)
        try:
            fresh = self._decoder.decode(chunk.data)[arrival.skipped :]
        except InvalidRequest as error:
            await self._refuse("chunk", error)  # as if it had never come: the next one shows the gap
            return
        self._accounts.take(chunk.offset, samples)
        if arrival.gap is not None:
            await self._bridge(*arrival.gap, filled)
        if not is_new:
            return
        self.arrived_at = self._clock()
        held_up = await self._inlet.put(fresh)
        self.taken_to = self.received_to
        self._pace.heard(self.arrived_at, self.received_to, held_up=held_up)

    def _filled(self, gap: tuple[int, int] | None, before: bytes) -> Samples | None:
        """What is heard in its stead; None over a gap that ends what went before."""
        if gap is None:
            return None
        samples = gap[1] - gap[0]
        if samples <= self._bounds.gap_s * self._format.rate:
            return self._decoder.fill(samples, before)
        self._decoder = decoder_of(self._format)
        return None

    async def _bridge(self, start_offset: int, end_offset: int, filled: Samples | None) -> None:
        self._counting.gap(self._tenant, (end_offset - start_offset) / self._format.rate)
        await self._outlet.tell([Gap(start_offset, end_offset)])
        if filled is None:
            await self._inlet.mark(Skip(end_offset))
        else:
            await self._inlet.put(filled)
        self.taken_to = end_offset
