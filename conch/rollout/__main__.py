"""The process that publishes what is dropped into a stack's repository, and looks after its servers:

    python -m conch.rollout ROOT HTTP GRPC [--server NAME=HTTP,GRPC]... [--models ADDRESS] [--metrics ADDRESS]

HTTP and GRPC are addresses of the stack's own Triton, --server names others that read the same `live/`. A second
process for the same ROOT waits until the first one has ended, however that ends.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from conch.contracts.errors import ConchError
from conch.rollout.controller import Controller, keep_stepping
from conch.rollout.faces import FaceAddresses, serving_faces
from conch.rollout.fleet import Fleet
from conch.rollout.folders import Folders
from conch.rollout.lock import locked
from conch.rollout.on_demand.face import LoaderFace
from conch.rollout.on_demand.loader import Loader, keep_loading
from conch.rollout.on_demand.memory import MachineMemory
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import Busy
from conch.rollout.server import TritonServer
from conch.rollout.servers import STACK, ServerAddress
from conch.rollout.sources.following import keep_following
from conch.rollout.watching import Watch

EVERY_S = 1.0
LOOK_S = 0.5
"""At every server: an ended one has not started again by then."""
TURN_S = 0.5
"""Whether it is ours."""

logger = logging.getLogger("conch.rollout")


async def run(folders: Folders, servers: Sequence[ServerAddress], faces: FaceAddresses) -> None:
    """Until SIGTERM; a version on its way in is then left as a crash would leave it, and cleared up by the next."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    stop, acting = asyncio.create_task(stopping.wait()), asyncio.create_task(_act_alone(folders, servers, faces))
    await asyncio.wait({stop, acting}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    acting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await acting


async def _act_alone(folders: Folders, servers: Sequence[ServerAddress], faces: FaceAddresses) -> None:
    while True:
        try:
            with locked(folders.controller, "another controller"):
                await _act(folders, servers, faces)
        except Busy:
            await asyncio.sleep(TURN_S)


async def _act(folders: Folders, servers: Sequence[ServerAddress], faces: FaceAddresses) -> None:
    tritons = {one: TritonServer(one.http, one.grpc) for one in servers}
    fleet = Fleet({one.name: triton for one, triton in tritons.items()}, folders.servers.read)
    publisher, loader = Publisher(folders, fleet), Loader(folders, fleet, MachineMemory(folders))
    beside = [LoaderFace(loader).handler]
    async with loader, serving_faces(folders, publisher, faces, beside), asyncio.TaskGroup() as tasks:
        tasks.create_task(_beat(folders))
        tasks.create_task(keep_stepping(Controller(folders, tritons, resting=loader.resting), LOOK_S))
        tasks.create_task(keep_loading(loader, LOOK_S))
        tasks.create_task(keep_following(folders, publisher))
        tasks.create_task(_keep_watching(folders, Watch(folders, publisher), publisher))


async def _keep_watching(folders: Folders, watch: Watch, publisher: Publisher) -> None:
    while True:
        try:
            with contextlib.suppress(Busy):
                if folders.pending() is not None or folders.candidates() != folders.left_over():
                    await publisher.recover()  # of a publisher that is gone: one that is there holds the lock
            await watch.step()
        except ConchError as error:
            logger.warning("%s", error.message)
        except OSError as error:
            logger.error("the repository cannot be read: %s", error)
        await asyncio.sleep(EVERY_S)


async def _beat(folders: Folders) -> None:
    """The supervisor looks at the age of this file."""
    folders.rollout.mkdir(parents=True, exist_ok=True)
    while True:
        folders.heartbeat.write_text(f"{os.getpid()}\n")
        await asyncio.sleep(EVERY_S)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("http")
    parser.add_argument("grpc")
    parser.add_argument("--server", type=ServerAddress.parse, action="append", default=[])
    parser.add_argument("--models", default="", help="where conch.models.v1.Models is served")
    parser.add_argument("--metrics", default="", help="where GET /metrics is served")
    asked = parser.parse_args()
    servers = [ServerAddress(STACK, asked.http, asked.grpc), *asked.server]
    asyncio.run(run(Folders(asked.root), servers, FaceAddresses(asked.models, asked.metrics)))


if __name__ == "__main__":
    main()
