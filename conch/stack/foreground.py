"""Run a stack in this process until a signal ends it."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console

from conch.stack.logs import Logs, SupervisorLines
from conch.stack.service import Service, StackSettings
from conch.stack.state import StackLock, StateFolder
from conch.stack.supervisor import Supervisor

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0


def run_stack(
    folder: StateFolder,
    services: Sequence[Service],
    *,
    settings: StackSettings,
    ports: Mapping[str, int],
    console: Console | None,
) -> None:
    """Returns when SIGINT, SIGTERM or SIGHUP has ended the stack; a second signal ends it without draining.

    Raises AlreadyRunning, and what kept the stack from starting or running. On the main thread only.
    """
    lock = folder.hold()
    try:
        with _logs(folder, console) as logs:
            asyncio.run(_run(Supervisor(folder, services, logs, settings=settings, ports=ports), lock))
    finally:
        lock.release()


async def _run(supervisor: Supervisor, lock: StackLock) -> None:
    stopping, hurry = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        (hurry if stopping.is_set() else stopping).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    watching = asyncio.create_task(_stop_without_folder(lock, stop))
    try:
        await supervisor.run(stopping, hurry)
    finally:
        watching.cancel()


async def _stop_without_folder(lock: StackLock, stop: Callable[[], None]) -> None:
    """A stack whose state folder is gone can be found, and ended, by nobody else."""
    while lock.is_current():  # noqa: ASYNC110 - that a file is deleted cannot be awaited
        await asyncio.sleep(LOOK_EVERY_S)
    logger.error("the state folder has been deleted")
    stop()


@contextlib.contextmanager
def _logs(folder: StateFolder, console: Console | None) -> Iterator[Logs]:
    logs = Logs(folder.logs, console)
    handler = SupervisorLines(logs)
    logger = logging.getLogger("conch")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield logs
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logs.close()
