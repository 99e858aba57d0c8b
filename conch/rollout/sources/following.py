"""Follow every source that rollout.toml names: fetch what is new, and watch what was fetched as the repository is."""

import asyncio
import logging
import time
from pathlib import Path

from conch.contracts.errors import ConchError
from conch.rollout.folders import Folders
from conch.rollout.policy import Policy
from conch.rollout.publisher import Publisher
from conch.rollout.quiet import Quiet
from conch.rollout.sources.address import SourceAddress
from conch.rollout.sources.bucket import Bucket
from conch.rollout.sources.checkout import Checkout
from conch.rollout.sources.mirror import Mirror
from conch.rollout.watching import Watch

LOOK_S = 1.0
QUIET_S = 2.0
"""A bucket's list of a version must have been the same for so long, and at two looks."""

logger = logging.getLogger(__name__)


async def keep_following(folders: Folders, publisher: Publisher, look_s: float = LOOK_S) -> None:
    """Until cancelled; a changed rollout.toml counts at the next look."""
    running: dict[str, tuple[SourceAddress, asyncio.Task[None]]] = {}
    told = Told()
    async with asyncio.TaskGroup() as tasks:
        while True:
            try:
                wanted = Policy.read(folders.root).sources
                told.ended()
            except (ConchError, OSError) as error:
                told.once(f"no source is changed: {error}")
                wanted = {name: address for name, (address, _) in running.items()}
            for name, (address, task) in list(running.items()):
                if wanted.get(name) != address:
                    task.cancel()
                    del running[name]
            for name in wanted.keys() - running.keys():
                following = _follow(folders, publisher, name, wanted[name], look_s)
                running[name] = wanted[name], tasks.create_task(following)
            await asyncio.sleep(look_s)


async def _follow(folders: Folders, publisher: Publisher, name: str, address: SourceAddress, look_s: float) -> None:
    folder, told = folders.sources / name, Told()
    watch, mirror, fetch_at = Watch(folders, publisher, folder), None, 0.0
    while True:
        try:
            if time.monotonic() >= fetch_at:
                mirror = mirror or mirror_of(address, folder)
                await mirror.step()
                # What is new is looked at once more soon: it is fetched when it has stood still.
                fetch_at = time.monotonic() + (QUIET_S if mirror.is_waiting else address.every_s)
            if folder.is_dir() and (mirror is None or mirror.is_whole):
                await watch.step()
            told.ended()
        except (ConchError, OSError) as error:
            told.once(f"source {name}: {error}")
            fetch_at = max(fetch_at, time.monotonic() + address.every_s)
        await asyncio.sleep(look_s)


def mirror_of(address: SourceAddress, folder: Path) -> Mirror:
    """Raises InvalidRequest, or Unavailable where a package is missing."""
    if address.kind == "git":
        return Mirror(Checkout(address, folder.with_name(f".{folder.name}.git")), folder, None)
    return Mirror(Bucket(address), folder, Quiet(QUIET_S, time.monotonic))


class Told:
    """A complaint is told when it is new, not at every look."""

    def __init__(self) -> None:
        self._last = ""

    def once(self, complaint: str) -> None:
        if complaint != self._last:
            logger.warning("%s", complaint)
        self._last = complaint

    def ended(self) -> None:
        self._last = ""
