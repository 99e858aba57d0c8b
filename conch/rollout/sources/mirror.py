"""Keep a folder like a remote place: what somebody who looks into it sees is whole.

A version, or a model's config, is fetched when its list has stood still, into a folder that nobody watches, and then
takes its name. What has not changed is not fetched again.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.durable import remove_folder, write_json
from conch.rollout.quiet import Quiet
from conch.rollout.sources.remote import Remote, RemoteFile
from conch.rollout.steps import Reached, unheard
from conch.rollout.versions import model_name

logger = logging.getLogger(__name__)

MOST_FILES = 100_000
MOST_BYTES = 256 * 2**30

_TORN = ""
"""Among the paths of a unit whose files are being replaced; no file is called so."""

Unit = Mapping[str, RemoteFile]
"""Files that take their place together, by path in it."""


class Mirror:
    """`step()` again and again. `quiet` None: the list of the remote place is of one moment, as a commit is."""

    def __init__(self, remote: Remote, folder: Path, quiet: Quiet | None, reached: Reached = unheard) -> None:
        self._remote = remote
        self._reached = reached
        self._folder = folder
        self._quiet = quiet
        self._scratch = folder.with_name(f".{folder.name}.part")
        self._tags_file = folder.with_name(f".{folder.name}.json")
        self._tags = _read(self._tags_file)
        self.is_waiting = False
        """At the last step something had not stood still for long enough."""

    @property
    def is_whole(self) -> bool:
        """False while the files of a config take their places one by one, and after a crash then, until they have."""
        return not any(_TORN in tags for tags in self._tags.values())

    async def step(self) -> None:
        """Raises Unavailable; what was fetched before stays."""
        units = units_of(await self._remote.files())
        if self._quiet is not None:
            self._quiet.forget_all_but(units)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.is_waiting = False
        for name, unit in sorted(units.items(), key=_versions_first):
            tags = {path: one.tag for path, one in unit.items()}
            if self._is_there(name, tags):
                continue
            if self._quiet is None or self._quiet.is_due(name, tuple(sorted(tags.items()))):
                await self._fetch(name, unit)
                self._remember(name, tags)
            else:
                self.is_waiting = True
        # A place that is empty all at once is one that somebody is mending.
        for name in self._tags.keys() - units.keys() if units else ():
            self._drop(name)

    def _is_there(self, name: str, tags: Mapping[str, str]) -> bool:
        folder = self._folder / name
        return self._tags.get(name) == tags and all((folder / path).is_file() for path in tags)

    async def _fetch(self, name: str, unit: Unit) -> None:
        draft, there, before = self._scratch / name, self._folder / name, self._tags.get(name, {})
        shutil.rmtree(self._scratch, ignore_errors=True)
        for path, file in unit.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if before.get(path) == file.tag and (there / path).is_file():
                os.link(there / path, target)
            else:
                await self._remote.fetch(path_of(name, path), file, target)
                self._reached("file fetched")
                if target.stat().st_size != file.size_bytes:
                    raise Unavailable(
                        f"{name}/{path} came with {target.stat().st_size} bytes, the list says {file.size_bytes}"
                    )
        if is_version(name):
            there.parent.mkdir(parents=True, exist_ok=True)
            remove_folder(there, self._scratch)
            self._reached("version out of the way")
            draft.rename(there)
            self._reached("version in its place")
        else:
            self._tear(name, unit)
            self._replace_files(draft, there, unit, before)
        logger.info("%s/%s is fetched", self._folder.name, name)

    def _remember(self, name: str, tags: Mapping[str, str]) -> None:
        self._tags[name] = dict(tags)
        write_json(self._tags_file, self._tags)
        self._reached("remembered")

    def _tear(self, name: str, unit: Unit) -> None:
        self._remember(name, dict.fromkeys((_TORN, *self._tags.get(name, {}), *unit), ""))

    def _drop(self, name: str) -> None:
        there = self._folder / name
        if is_version(name):
            remove_folder(there, self._scratch)
        else:
            before = self._tags[name]
            self._tear(name, {})
            self._replace_files(there, there, {}, before)
        self._reached("taken away")
        if there.parent.is_dir() and is_version(name) and not any(there.parent.iterdir()):
            there.parent.rmdir()
        if not is_version(name) and there.is_dir() and not any(there.iterdir()):
            there.rmdir()
        del self._tags[name]
        write_json(self._tags_file, self._tags)
        self._reached("forgotten")

    def _replace_files(self, draft: Path, there: Path, unit: Unit, before: Mapping[str, str]) -> None:
        for path in before.keys() - unit.keys() - {_TORN}:
            (there / path).unlink(missing_ok=True)
            self._reached("file taken away")
        for path in unit:
            (there / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).replace(there / path)
            self._reached("file in its place")


def units_of(files: Mapping[str, RemoteFile]) -> dict[str, dict[str, RemoteFile]]:
    """Versions by <model>/<n>, configs by <model>; what belongs to neither is left out. Raises Unavailable."""
    if len(files) > MOST_FILES:
        raise Unavailable(f"there are {len(files)} files, {MOST_FILES} at most are followed")
    if (total := sum(one.size_bytes for one in files.values())) > MOST_BYTES:
        raise Unavailable(f"there are {total} bytes, {MOST_BYTES} at most are followed")
    units: dict[str, dict[str, RemoteFile]] = {}
    for path, file in files.items():
        parts = PurePosixPath(path).parts
        if len(parts) < 2 or not _is_plain(path):
            continue
        in_version = len(parts) > 2 and parts[1].isdecimal()
        name, inner = ("/".join(parts[:2]), parts[2:]) if in_version else (parts[0], parts[1:])
        units.setdefault(name, {})["/".join(inner)] = file
    return units


def is_version(name: str) -> bool:
    return "/" in name


def path_of(name: str, inner: str) -> str:
    return f"{name}/{inner}"


def _versions_first(unit: tuple[str, Unit]) -> tuple[bool, str]:
    """A model is complete with its config, which therefore comes last."""
    return not is_version(unit[0]), unit[0]


def _is_plain(path: str) -> bool:
    """No file of it may come to lie anywhere else."""
    try:
        model_name(PurePosixPath(path).parts[0])
    except InvalidRequest:
        return False
    return (
        path.isprintable()
        and "\\" not in path
        and PurePosixPath(path).as_posix() == path
        and ".." not in path.split("/")
    )


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): dict(tags) for name, tags in document.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        # Everything is fetched once more, and what is the same changes nothing.
        return {}
