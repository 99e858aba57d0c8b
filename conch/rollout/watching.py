"""Versions that somebody copies into `repository/` go the way of `conch publish`, when their copy is quiet.

A copy that stands still for longer than that and is not complete is refused, and tried again when it goes on.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from conch.contracts.errors import ConchError, InvalidRequest, Unavailable
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.manifest import files_of
from conch.rollout.publisher import Publication, Publisher
from conch.rollout.versions import model_name, version_number

logger = logging.getLogger(__name__)

QUIET_S = 2.0
"""Nothing of it has changed for so long: its copy has ended."""

Signature = tuple[tuple[str, int, int], ...]
"""Path, bytes and time of change of every file."""


@dataclass(slots=True)
class Drop:
    """A version folder in the repository that is not live."""

    signature: Signature
    since: float
    told: bool = False
    """It was published or refused as it is now."""


class Watch:
    """`step()` again and again; one pass over the repository each."""

    def __init__(
        self,
        folders: Folders,
        publisher: Publisher,
        *,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = folders
        self._publisher = publisher
        self._quiet_s = quiet_s
        self._clock = clock
        self._drops: dict[Path, Drop] = {}

    async def step(self) -> None:
        found = list(self._new_versions())
        self._drops = {path: drop for path, drop in self._drops.items() if path in found}
        for path in found:
            signature = _signature(path)
            drop = self._drops.get(path)
            if drop is None or drop.signature != signature:
                self._drops[path] = Drop(signature, self._clock())
            elif not drop.told and self._clock() - drop.since >= self._quiet_s:
                drop.told = await self._publish(path)

    async def _publish(self, path: Path) -> bool:
        """False where it is to be tried again."""
        name = path.parent.name
        try:
            model, version = model_name(name), version_number(path.name)
            brings_config = not self._folders.live_versions(model)
            wanted = Publication(
                model, path.parent if brings_config else path, note="found in the repository", version=version
            )
            await self._publisher.publish(wanted)
        except Unavailable as error:
            logger.info("%s/%s waits: %s", name, path.name, error.message)
            return False
        except InvalidRequest as error:
            logger.warning("%s/%s is refused: %s", name, path.name, error.message)
            return True
        except ConchError as error:
            logger.error("%s/%s is not published: %s", name, path.name, error.message)
            return True
        logger.info("%s %d is live", model, version)
        return True

    def _new_versions(self) -> Iterator[Path]:
        """In the order of their numbers; folders whose name is no number are none."""
        for folder in sorted(path for path in self._folders.repository.iterdir() if path.is_dir()):
            if self._is_ensemble(folder):
                continue
            record = self._folders.records.read(folder.name)
            known = record.known if record else self._folders.live_versions(folder.name)
            if not known and not (folder / CONFIG).is_file():
                continue  # a model is complete with its config
            numbers = [path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal()]
            for path in sorted(numbers, key=lambda path: int(path.name)):
                if path.name not in map(str, known):
                    yield path

    def _is_ensemble(self, folder: Path) -> bool:
        if (self._folders.root / "live/ensembles" / folder.name).is_dir():
            return True
        config = folder / CONFIG
        return config.is_file() and '"ensemble"' in config.read_text(encoding="utf-8", errors="replace")


def _signature(path: Path) -> Signature:
    found = []
    for one in files_of(path):
        try:
            told = one.lstat()
        except FileNotFoundError:
            continue  # a tool's scratch file
        found.append((one.relative_to(path).as_posix(), told.st_size, told.st_mtime_ns))
    return tuple(found)
