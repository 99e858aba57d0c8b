"""Stacks of tiny services, run inside the test."""

import asyncio
import contextlib
import importlib.util
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conch.contracts.errors import ConchError
from conch.stack.failures import Patience
from conch.stack.logs import Logs, SupervisorLines
from conch.stack.service import Service
from conch.stack.state import StackStatus, StateFolder
from conch.stack.supervisor import Supervisor

TINY_STACK = Path(__file__).with_name("tiny_stack.py")


@pytest.fixture(scope="session")
def tiny_stack() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_stack", TINY_STACK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_stack"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


class Running:
    """A stack that runs in this test's event loop."""

    def __init__(self, folder: StateFolder, supervisor: Supervisor) -> None:
        self.folder = folder
        self.hurry = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(supervisor.run(self._stopping, self.hurry))

    @property
    def status(self) -> StackStatus | None:
        return self.folder.read_status()

    def pid(self, service: str) -> int | None:
        return self.status.services[service].pid if self.status and service in self.status.services else None

    def lines(self, name: str) -> list[str]:
        """Of a file in the state folder that the tiny services write."""
        path = self.folder.root / name
        return path.read_text().split() if path.exists() else []

    def size(self, name: str) -> int:
        path = self.folder.root / name
        return path.stat().st_size if path.exists() else 0

    def log(self, source: str = "stack") -> str:
        path = self.folder.log(source)
        return path.read_text() if path.exists() else ""

    async def until(self, condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"it did not come to pass; the log says:\n{self.log()}"
            assert not self._task.done() or self._task.exception() is None, self._task.exception()
            await asyncio.sleep(0.01)

    async def ready(self) -> "Running":
        await self.until(lambda: self.status is not None and self.status.ready and self.status.pid == os.getpid())
        return self

    async def ended(self) -> None:
        """Raises what ended it."""
        await asyncio.wait_for(asyncio.shield(self._task), 20)

    async def stop(self) -> None:
        self._stopping.set()
        await self.ended()


class Start:
    """`start(services…)` runs a stack of them in `start.folder`."""

    def __init__(self, folder: StateFolder, patience: Patience) -> None:
        self.folder = folder
        self._patience = patience
        self._logs = Logs(folder.logs)
        self._started: list[Running] = []

    def __call__(self, *services: Service, **options: Any) -> Running:
        supervisor = Supervisor(self.folder, services, self._logs, patience=self._patience, **options)
        running = Running(self.folder, supervisor)
        self._started.append(running)
        return running

    @contextlib.asynccontextmanager
    async def logging(self) -> AsyncIterator["Start"]:
        handler, logger = SupervisorLines(self._logs), logging.getLogger("conch")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield self
        finally:
            for running in self._started:
                with contextlib.suppress(ConchError):
                    await running.stop()
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
            self._logs.close()


@pytest.fixture
async def start(folder: StateFolder, tiny_stack: ModuleType) -> AsyncIterator[Start]:
    folder.create()
    async with Start(folder, tiny_stack.PATIENCE).logging() as start:
        yield start
