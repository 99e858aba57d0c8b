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
from conch.rollout.durable import remove_folder, write_json
from conch.rollout.quiet import Quiet
from conch.rollout.sources.remote import Remote, RemoteFile
from conch.rollout.versions import model_name

logger = logging.getLogger(__name__)

MOST_FILES = 100_000
MOST_BYTES = 256 * 2**30

Unit = Mapping[str, RemoteFile]
"""Files that take their place together, by path in it."""


class Mirror:
    """`step()` again and again. `quiet` None: the list of the remote place is of one moment, as a commit is."""

    def __init__(self, remote: Remote, folder: Path, quiet: Quiet | None) -> None:
        self._remote = remote
        self._folder = folder
        self._quiet = quiet
        self._scratch = folder.with_name(f".{folder.name}.part")
        self._tags_file = folder.with_name(f".{folder.name}.json")
        self._tags = _read(self._tags_file)
        self.is_waiting = False
        """At the last step something had not stood still for long enough."""

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
                if target.stat().st_size != file.size_bytes:
                    raise Unavailable(
                        f"{name}/{path} came with {target.stat().st_size} bytes, the list says {file.size_bytes}"
                    )
        if is_version(name):
            there.parent.mkdir(parents=True, exist_ok=True)
            remove_folder(there, self._scratch)
            draft.rename(there)
        else:
            _replace_files(draft, there, unit, before)
        logger.info("%s/%s is fetched", self._folder.name, name)

    def _remember(self, name: str, tags: Mapping[str, str]) -> None:
        self._tags[name] = dict(tags)
        write_json(self._tags_file, self._tags)

    def _drop(self, name: str) -> None:
        there = self._folder / name
        if is_version(name):
            remove_folder(there, self._scratch)
        else:
            _replace_files(there, there, {}, self._tags[name])
        if there.parent.is_dir() and is_version(name) and not any(there.parent.iterdir()):
            there.parent.rmdir()
        if not is_version(name) and there.is_dir() and not any(there.iterdir()):
            there.rmdir()
        del self._tags[name]
        write_json(self._tags_file, self._tags)


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


def _replace_files(draft: Path, there: Path, unit: Unit, before: Mapping[str, str]) -> None:
    for path in before.keys() - unit.keys():
        (there / path).unlink(missing_ok=True)
    for path in unit:
        (there / path).parent.mkdir(parents=True, exist_ok=True)
        (draft / path).replace(there / path)


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): dict(tags) for name, tags in document.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        # Everything is fetched once more, and what is the same changes nothing.
        return {}
