"""What somebody changes in `repository/` goes the way of `conch publish`, when it is quiet.

A version's folder that is new, a model's config that has changed: published. A model whose folder is gone: removed.
A copy that stands still for longer than that and is not complete is refused, and tried again when it goes on.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from conch.contracts.errors import ConchError, InvalidRequest, NotFound, Unavailable
from conch.rollout.companions import built_for
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.manifest import files_of
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.quiet import Quiet
from conch.rollout.refusals import Mismatched
from conch.rollout.steps import Reached, unheard
from conch.rollout.taken_up import TakenUp, config_fingerprint
from conch.rollout.versions import model_name, version_number

logger = logging.getLogger(__name__)

QUIET_S = 2.0
"""Nothing of it has changed for so long: its copy has ended."""
GONE_S = 10.0
"""A folder that is away for so long was taken away; one that is replaced comes back."""

Signature = tuple[tuple[str, int, int], ...]
"""Path, bytes and time of change of every file."""


Generations = tuple[tuple[str, int], ...]
"""Of all models' records."""


class Watch:
    """`step()` again and again; one pass over the folder each."""

    def __init__(
        self,
        folders: Folders,
        publisher: Publisher,
        root: Path | None = None,
        *,
        quiet_s: float = QUIET_S,
        gone_s: float = GONE_S,
        clock: Callable[[], float] = time.monotonic,
        reached: Reached = unheard,
    ) -> None:
        """`root` None is the repository; others hold the same."""
        self._folders = folders
        self._publisher = publisher
        self._root = folders.repository if root is None else root
        self._versions = Quiet(quiet_s, clock)
        self._configs = Quiet(quiet_s, clock)
        self._removals = Quiet(gone_s, clock)
        self._reached = reached
        self._unfit: dict[Path, Generations] = {}
        """Versions that did not fit other models, with how those were."""
        self._tried: set[object] = set()
        """The versions that were published together the last time."""
        self._taken = TakenUp(folders.rollout / "taken_up" / f"{self._root.name}.json")

    async def step(self) -> None:
        models = [path for path in sorted(self._root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
        found = list(self._new_versions(models))
        self._versions.forget_all_but(found)
        self._try_unfit_again(found)
        for path in found:
            if self._versions.is_due(path, _signature(path)) and await self._publish_version(path):
                self._versions.tell(path)
        for group in self._fitting_each_other():
            await self._publish_together(group)
        awaited = {path.parent for path in found}
        for folder in models:
            if folder not in awaited and not self._is_ensemble(folder):
                await self._follow_config(folder)
        await self._follow_removals({folder.name for folder in models})

    async def _publish_version(self, path: Path) -> bool:
        """False where it is to be tried again. With it comes the model's config, where that is new or has changed."""
        fingerprint = config_fingerprint(path.parent)
        try:
            wanted = self._wanted(path)
        except InvalidRequest as error:
            logger.warning("%s/%s is refused: %s", path.parent.name, path.name, error.message)
            return True
        try:
            told = await self._publish([wanted], f"{wanted.model}/{wanted.version}")
        except Mismatched as error:
            logger.warning("%s/%s waits for another model: %s", wanted.model, wanted.version, error.message)
            self._unfit[path] = self._generations()
            return True
        if told:
            self._taken.take(wanted.model, fingerprint)
            self._reached("version taken up")
        return told

    def _wanted(self, path: Path) -> Publication:
        """Raises InvalidRequest for a name that is none."""
        folder = path.parent
        model, version = model_name(folder.name), version_number(path.name)
        fingerprint = config_fingerprint(folder)
        changed = self._taken.fingerprints.get(model, fingerprint) != fingerprint
        # A config in the version itself is nearer to it.
        brings_config = (changed or not self._folders.live_versions(model)) and not (path / CONFIG).is_file()
        config = folder if brings_config and (folder / CONFIG).is_file() else None
        return Publication(model, path, note="found in the repository", version=version, config=config)

    def _fitting_each_other(self) -> Iterator[list[Path]]:
        """Of what fits nothing that is live: a version, and those of other models that name it; the newest of each."""
        waiting = {path.parent.name: path for path in sorted(self._unfit, key=lambda path: int(path.name))}
        for model, path in waiting.items():
            dependents = [other for other in waiting.values() if built_for(other) == model]
            if dependents:
                yield [path, *dependents]

    async def _publish_together(self, group: Sequence[Path]) -> None:
        """Once, until one of them changes or what is live does."""
        told = tuple((path, _signature(path)) for path in group), self._generations()
        if told in self._tried:
            return
        self._tried = {told}
        fingerprints = {path.parent.name: config_fingerprint(path.parent) for path in group}
        what = " and ".join(f"{path.parent.name}/{path.name}" for path in group)
        try:
            if not await self._publish([self._wanted(path) for path in group], what):
                self._tried.clear()
                return
        except Mismatched as error:
            logger.warning("%s do not fit each other: %s", what, error.message)
            return
        for model, fingerprint in fingerprints.items():
            self._taken.take(model, fingerprint)
        self._reached("versions taken up")

    async def _follow_config(self, folder: Path) -> None:
        """Of a model that is live: published as a version with the champion's files."""
        model, fingerprint = folder.name, config_fingerprint(folder)
        if not (folder / CONFIG).is_file():
            return
        champion = self._champion(model)
        if model not in self._taken.fingerprints or champion is None or self._is_served_with(model, fingerprint):
            self._taken.take(model, fingerprint)
        if self._taken.fingerprints[model] == fingerprint or champion is None:
            return
        if not self._configs.is_due(folder, fingerprint):
            return
        data = self._folders.version(model, champion)
        wanted = Publication(model, data, note="its config has changed in the repository", config=folder)
        try:
            told = await self._publish([wanted], f"{model}/{CONFIG}")
        except Mismatched as error:
            logger.warning("%s/%s is refused: %s", model, CONFIG, error.message)
            told = True
        if told:
            self._configs.tell(folder)
            self._taken.take(model, fingerprint)
            self._reached("config taken up")

    async def _publish(self, wanted: Sequence[Publication], what: str) -> bool:
        """False where it is to be tried again. Raises Mismatched."""
        try:
            records = await self._publisher.publish_together(wanted)
        except Mismatched:
            raise
        except Unavailable as error:
            logger.info("%s waits: %s", what, error.message)
            return False
        except InvalidRequest as error:
            logger.warning("%s is refused: %s", what, error.message)
            return True
        except ConchError as error:
            logger.error("%s is not published: %s", what, error.message)
            return True
        self._reached("published")
        for record in records:
            logger.info("%s %d is live", record.model, record.champion)
        return True

    async def _follow_removals(self, there: set[str]) -> None:
        """Not where all are gone: then it is the folder that is away, as a volume that is not mounted."""
        gone = self._taken.fingerprints.keys() - there if there else set[str]()
        self._removals.forget_all_but(gone)
        for model in sorted(gone):
            if self._removals.is_due(model, "gone") and await self._remove(model):
                self._removals.tell(model)

    async def _remove(self, model: str) -> bool:
        """False where it is to be tried again."""
        if any(root != self._root and (root / model).is_dir() for root in self._folders.watched()):
            return True
        try:
            await self._publisher.remove(model, f"its folder is gone from {self._root.name}")
        except Unavailable as error:
            logger.info("%s waits to be removed: %s", model, error.message)
            return False
        except NotFound:
            pass
        except ConchError as error:
            logger.warning("%s is gone from %s and stays live: %s", model, self._root.name, error.message)
            return True
        else:
            logger.info("%s is removed", model)
        self._reached("removed")
        self._taken.drop(model)
        self._reached("removal taken up")
        return True

    def _new_versions(self, models: list[Path]) -> Iterator[Path]:
        """In the order of their numbers; folders whose name is no number are none."""
        for folder in models:
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

    def _try_unfit_again(self, found: Collection[Path]) -> None:
        """Those whose others have changed: what is dropped together may go live one after the other."""
        now = self._generations()
        self._unfit = {path: before for path, before in self._unfit.items() if path in found}
        for path in [path for path, before in self._unfit.items() if before != now]:
            del self._unfit[path]
            self._versions.forget(path)

    def _generations(self) -> Generations:
        return tuple((record.model, record.generation) for record in self._folders.records.all())

    def _champion(self, model: str) -> int | None:
        record = self._folders.records.read(model)
        return record.champion if record else max(self._folders.live_versions(model), default=None)

    def _is_served_with(self, model: str, fingerprint: str) -> bool:
        champion = self._champion(model)
        return champion is not None and config_fingerprint(self._folders.configs(model, champion)) == fingerprint

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
