"""The process that publishes what is dropped into a stack's repository: `python -m conch.rollout ROOT HTTP GRPC`.

HTTP and GRPC are addresses of the stack's Triton.
"""

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

from conch.contracts.errors import ConchError
from conch.rollout.folders import Folders
from conch.rollout.publisher import Publisher
from conch.rollout.server import TritonServer
from conch.rollout.watching import Watch

EVERY_S = 1.0

logger = logging.getLogger("conch.rollout")


async def run(folders: Folders, server: TritonServer) -> None:
    """Until SIGTERM; a version on its way in is then left as a crash would leave it, and cleared up by the next."""
    publisher = Publisher(folders, server)
    watch = Watch(folders, publisher)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    beating = asyncio.create_task(_beat(folders))
    stop = asyncio.create_task(stopping.wait())
    watching = asyncio.create_task(_keep_watching(watch, publisher))
    await asyncio.wait({stop, watching, beating}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stop, watching, beating):
        task.cancel()
    await asyncio.gather(stop, watching, beating, return_exceptions=True)


async def _keep_watching(watch: Watch, publisher: Publisher) -> None:
    recovered = False
    while True:
        try:
            if not recovered:
                await publisher.recover()
                recovered = True
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
    asked = parser.parse_args()
    asyncio.run(run(Folders(asked.root), TritonServer(asked.http, asked.grpc)))


if __name__ == "__main__":
    main()
