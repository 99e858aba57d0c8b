"""A real Triton with a small model, its folders, and callers who ask it all the time."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from conch.clients.inference import CallOptions, text_column
from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError
from conch.rollout.folders import Folders
from conch.rollout.publisher import Publisher
from conch.rollout.server import TritonServer
from conch.stack.processes import ProcessMark
from conch.stack.serving import Server
from conch.stack.stubs import Stubs, stubs_of
from conch.stack.triton_probe import LEFT_OVER_S

SHIPPED = Path(__file__).parents[2] / "model_repository/intent/1"


@dataclass
class Served:
    folders: Folders
    server: Server
    kept: Stubs = field(init=False)

    def __post_init__(self) -> None:
        self.kept = Stubs(ProcessMark.of_child(self.server.process.pid))

    @property
    def triton(self) -> TritonServer:
        return TritonServer(self.server.http, self.server.grpc)

    def processes(self, version: int) -> set[int]:
        """Stubs of that version of intent."""
        stubs = stubs_of(ProcessMark.of_child(self.server.process.pid))
        return {mark.pid for mark, stub in stubs.items() if (stub.model, stub.version) == ("intent", str(version))}

    def stubs(self) -> Counter[str]:
        """How many processes each model has."""
        return Counter(stub.model for stub in stubs_of(ProcessMark.of_child(self.server.process.pid)).values())

    def keep(self) -> None:
        """What whoever keeps a Triton does now and then: end what a candidate has left, as it would not end itself."""
        now = time.monotonic()
        self.kept.refresh()
        self.kept.retire_candidates([path.name for path in self.folders.candidates()], now + LEFT_OVER_S)
        self.kept.end_retired(now)

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.folders, self.triton)


@dataclass
class Traffic:
    answers: int = 0
    errors: list[str] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def goes_on(self) -> None:
        """Until one more request has been answered, or has failed."""
        self.answered.clear()
        await self.answered.wait()


@contextlib.asynccontextmanager
async def steady_load(server: Server, callers: int = 2) -> AsyncIterator[Traffic]:
    """Callers who name no version; at the end each has been answered again."""
    traffic, stop = Traffic(), asyncio.Event()

    async def call(inference: TritonInference) -> None:
        while not stop.is_set():
            try:
                answer = await inference.infer(
                    "intent", {"text": text_column("call John")}, call=CallOptions(deadline_s=60)
                )
                assert answer["intent"].tolist() == [["DIAL_PERSON"]]
                traffic.answers += 1
            except (ConchError, AssertionError) as error:
                traffic.errors.append(repr(error))
            traffic.answered.set()
            # Leave the processor to the loads: what is counted is errors.
            await asyncio.sleep(0.01)

    async with TritonInference(server.grpc) as inference:
        async with asyncio.timeout(60):
            while not await inference.ready("intent"):  # a channel's first attempts may fail on a busy machine
                continue
        tasks = [asyncio.create_task(call(inference)) for _ in range(callers)]
        yield traffic
        stop.set()
        await asyncio.gather(*tasks)
