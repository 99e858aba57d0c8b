"""Small models that are on demand, a Triton in memory that takes its time, and a clock that is moved on."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

from conch.contracts.errors import Unavailable
from conch.rollout.folders import Folders
from conch.rollout.on_demand.loader import Loader
from conch.rollout.on_demand.memory import Memory
from conch.rollout.on_demand.moments import Moments
from conch.rollout.refusals import RefusedVersion
from conch.rollout.server import ModelServer

MIB = 2**20


class MovedTime:
    """`sleep` ends when everybody waits, one after the other, in the order of their times."""

    def __init__(self) -> None:
        self.at = 1000.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @property
    def moments(self) -> Moments:
        return Moments(lambda: self.at, self.sleep)

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.at + seconds, next(self._numbers), future))
        await future

    async def until_done(self, tasks: Collection[asyncio.Task[object]]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(25):
                await asyncio.sleep(0)
            if self._waiting:
                self.at, _, future = heapq.heappop(self._waiting)
                if not future.done():
                    future.set_result(None)
        for task in tasks:
            task.result()


class SlowTriton(ModelServer):
    """A load takes `load_s`. What a model does otherwise stands in `refuses`."""

    def __init__(self, time: MovedTime) -> None:
        self._time = time
        self.there: dict[str, Sequence[int]] = {}
        self.load_s = 2.0
        self.loads: list[str] = []
        self.refuses: dict[str, str] = {}
        self.away = False
        self.busy: set[str] = set()

    async def load(self, model: str, deadline_s: float) -> None:
        assert model not in self.busy, f"{model} is loaded twice at once"
        self.loads.append(model)
        self.busy.add(model)
        await self._time.sleep(self.load_s)
        self.busy.discard(model)
        if model in self.refuses:
            raise RefusedVersion(self.refuses[model])
        self.there[model] = [1]

    async def unload(self, model: str, deadline_s: float) -> None:
        await self._time.sleep(0.1)
        self.there.pop(model, None)

    async def ready(self) -> Mapping[str, Sequence[int]]:
        if self.away:
            raise Unavailable("Triton is away")
        return dict(self.there)

    async def loading(self) -> Collection[str]:
        return self.busy

    async def ask(self, model: str, version: int, probe: object, deadline_s: float) -> None:
        assert model in self.there


class SizedMemory(Memory):
    """All models take what `sizes` says, in MiB; their files hold as much, or what `files` says."""

    def __init__(self, triton: SlowTriton) -> None:
        self._triton = triton
        self.sizes: dict[str, int] = {}
        self.files: dict[str, int] = {}

    async def measured(self) -> Mapping[str, int]:
        return {model: self.sizes.get(model, 10) * MIB for model in self._triton.there}

    async def of_files(self, model: str) -> int:
        return self.files.get(model, self.sizes.get(model, 10)) * MIB


class Site:
    def __init__(self, root: Path, terms: str) -> None:
        self.folders = Folders(root)
        self.time = MovedTime()
        self.triton = SlowTriton(self.time)
        self.memory = SizedMemory(self.triton)
        self.say(terms)
        self.loader = Loader(self.folders, self.triton, self.memory, moments=self.time.moments)

    def say(self, terms: str) -> None:
        (self.folders.root / "rollout.toml").write_text(f"[on_demand]\n{terms}\n")

    async def run(self, *work: object) -> list[object]:
        """What each gave, or the error that it raised; time goes on until all have ended."""
        tasks = [asyncio.create_task(_told(one)) for one in work]
        await self.time.until_done(tasks)
        return [task.result() for task in tasks]

    def told(self) -> list[tuple[str, str]]:
        return [(line.action, line.model) for line in self.folders.journal.lines()]


async def _told(work):
    try:
        return await work
    except Exception as error:
        return error


def write_model(root: Path, name: str, more: str = "") -> None:
    folder = root / "live/models" / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(f'name: "{name}" backend: "python" {more}')


def write_ensemble(root: Path, name: str, *steps: str) -> None:
    folder = root / "live/ensembles" / name
    (folder / "1").mkdir(parents=True)
    told = ", ".join(f'{{ model_name: "{step}" model_version: -1 }}' for step in steps)
    (folder / "config.pbtxt").write_text(
        f'name: "{name}" platform: "ensemble" ensemble_scheduling {{ step [ {told} ] }}'
    )


@pytest.fixture
def site(tmp_path):
    """`site(terms)`: models a, b and c, of 10 MiB each."""

    def make(terms: str) -> Site:
        for name in "abc":
            write_model(tmp_path, name)
        return Site(tmp_path, terms)

    return make
