"""Callers who ask a model for the same again and again while something is done to it, and what became of their calls.

As Conch's own client calls: what a server refuses that is just being mended is asked again, for it changes nothing.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from conch.clients.edge import AsyncClient
from conch.clients.edge.retries import Retries
from conch.clients.inference import Arrays
from conch.contracts.errors import ConchError

PATIENT = Retries(attempts=100, first_wait_s=0.05, longest_wait_s=0.2, share=100.0, reserve=100.0)
"""Of few callers, who know that the server is being mended."""
DEADLINE_S = 60.0
PAUSE_S = 0.02
"""Leaves the processor to the server: what is shown is that nobody notices."""


@dataclass(slots=True)
class Tally:
    by_version: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    """Of an answer since it was last set to 0."""
    newest: str = ""
    """The version that answered last."""

    @property
    def answers(self) -> int:
        return self.by_version.total()


@contextlib.asynccontextmanager
async def steadily(client: AsyncClient, model: str, inputs: Arrays, callers: int = 2) -> AsyncIterator[Tally]:
    """They name no version; at the end each has been answered, or refused, once more."""
    tally, stop = Tally(), asyncio.Event()

    async def call() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                answer = await client.infer(model, inputs, idempotent=True)
                tally.by_version[answer.version] += 1
                tally.newest = answer.version
            except ConchError as error:
                tally.errors.append(f"{type(error).__name__}: {error.message}")
            tally.longest_s = max(tally.longest_s, time.monotonic() - began)
            await asyncio.sleep(PAUSE_S)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(call())
        try:
            yield tally
        finally:
            stop.set()
