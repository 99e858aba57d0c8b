"""Fill the folders that Triton's models live in, in one direction: checkout → `repository/` → `live/`.

`repository/` is for people and pipelines to update; `live/` is what Triton reads, written by us alone.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from conch.contracts.errors import Internal, NotFound
from conch.durable import write_json
from conch.rollout.bytecode import write_bytecode
from conch.rollout.folders import Folders
from conch.rollout.restoring import forget_unfinished, keep_all_configs, restore

logger = logging.getLogger(__name__)

MODELS = "models"
ENSEMBLES = "ensembles"
"""Triton reads the two as repositories of their own."""

SHIPPED = "rollout/shipped.json"
"""Beside `repository/`: the sha256 of every small file as we wrote it, to tell ours from those a person changed."""
_SHIPPED_BEFORE = ".shipped.json"
"""In `repository/`, where it used to stand."""
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)

WeightFiles = Mapping[str, Mapping[str, Path]]
"""Verified weight files: by `<model>/<version>`, then by the name the model opens."""

_ENSEMBLE = re.compile(r'^\s*platform\s*:\s*"ensemble"', re.MULTILINE)


def checkout() -> Path:
    """The folder that holds model_repository/, ensembles/ and models.toml: where this package is run from."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "model_repository").is_dir():
        raise Internal(f"no model_repository in {root}: run conch from a checkout")
    return root


def shipped_models(root: Path) -> list[str]:
    """Names of the models and ensembles that a checkout holds."""
    folders = [*(root / "model_repository").iterdir(), *(root / "ensembles").iterdir()]
    return sorted(folder.name for folder in folders if (folder / "config.pbtxt").is_file())


def fill_repository(root: Path, repository: Path, weights: WeightFiles, only: Collection[str] | None = None) -> None:
    """Bring what the checkout ships into `repository`; a file that somebody changed there stays as it is.

    Safe to repeat. Whatever the checkout does not ship (other models, other versions) is left alone; and one that may
    only be read is served as it is.
    """
    names = shipped_models(root)
    for name in only or ():
        if name not in names:
            raise NotFound(f"no model or ensemble {name}; the checkout has {', '.join(names)}")
    hashes = _shipped(repository)
    try:
        _fill(root, repository, weights, names if only is None else sorted(only), hashes)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        logger.warning("%s may only be read, and is served as it is: %s", repository, error)
    write_json(repository.parent / SHIPPED, hashes)


def _fill(root: Path, repository: Path, weights: WeightFiles, names: Collection[str], hashes: dict[str, str]) -> None:
    repository.mkdir(parents=True, exist_ok=True)
    for name in names:
        parent = "model_repository" if (root / "model_repository" / name).is_dir() else "ensembles"
        _ship(root / parent / name, repository / name, repository, hashes)
        for version, files in weights.items():
            if version.split("/")[0] == name:
                for file, source in files.items():
                    _place_weight(source, repository / version / file)


def fill_live(repository: Path, live: Path) -> list[str]:
    """Write `live` anew and tell the names in it; call it only while no Triton reads it.

    From `repository`; of a model that was published or rolled back, as its record says (docs/rollout.md).
    """
    staged, old = live.with_name(live.name + ".next"), live.with_name(live.name + ".old")
    if old.is_dir() and not any((live / MODELS).glob("*/config.pbtxt")):
        # A start that was ended between the two renames below.
        shutil.rmtree(live, ignore_errors=True)
        old.rename(live)
    shutil.rmtree(staged, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    (staged / MODELS).mkdir(parents=True)
    (staged / ENSEMBLES).mkdir()
    names = set[str]()
    shipped = _shipped_versions(repository)
    for folder in sorted(path for path in repository.iterdir() if path.is_dir()):
        reason = _unservable(folder)
        if reason is not None:
            logger.warning("%s is left out: %s", folder.name, reason)
            continue
        shelf = ENSEMBLES if _ENSEMBLE.search((folder / "config.pbtxt").read_text()) else MODELS
        shutil.copytree(
            folder,
            staged / shelf / folder.name,
            copy_function=_link_or_copy,
            symlinks=True,
            ignore=_others(folder, shipped.get(folder.name, set())),
        )
        names.add(folder.name)
    folders = Folders(live.parent)
    restored = restore(folders, staged / MODELS, _link_or_copy)
    keep_all_configs(folders, staged / MODELS, restored)
    names |= set(restored)
    for version in (staged / MODELS).glob("*/[1-9]*"):
        write_bytecode(version)
    if live.is_dir():
        live.rename(old)
    staged.rename(live)
    shutil.rmtree(old, ignore_errors=True)
    forget_unfinished(folders)
    return sorted(names)


def _shipped_versions(repository: Path) -> dict[str, set[str]]:
    """By model, of those that the checkout ships."""
    found: dict[str, set[str]] = {}
    for key in _shipped(repository):
        parts = Path(key).parts
        if len(parts) > 2 and parts[1].isdecimal():
            found.setdefault(parts[0], set()).add(parts[1])
    return found


def _shipped(repository: Path) -> dict[str, str]:
    """Hashes by path in it."""
    for record in (repository.parent / SHIPPED, repository / _SHIPPED_BEFORE):
        if record.is_file():
            found: dict[str, str] = json.loads(record.read_text(encoding="utf-8"))
            return found
    return {}


def _others(folder: Path, shipped: Collection[str]) -> Callable[[str, list[str]], list[str]]:
    """Versions that somebody added to a model of ours: they are published, once a server runs, and not just loaded."""

    def ignored(inside: str, names: list[str]) -> list[str]:
        if Path(inside) != folder or not shipped:
            return []
        return [name for name in names if name.isdecimal() and name not in shipped]

    return ignored


def _unservable(folder: Path) -> str | None:
    if not (folder / "config.pbtxt").is_file():
        return "it has no config.pbtxt"
    if not any(path.is_dir() and path.name.isdigit() for path in folder.iterdir()):
        return "it has no version folder"
    return None


def _ship(source: Path, target: Path, repository: Path, hashes: dict[str, str]) -> None:
    for path in sorted(source.rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        destination = target / path.relative_to(source)
        key = str(destination.relative_to(repository))
        wanted = _sha256(path)
        if destination.is_file():
            found = _sha256(destination)
            if found == wanted:
                hashes[key] = wanted
                continue
            if found != hashes.get(key):
                logger.warning("%s was changed by hand and stays as it is", destination)
                continue
        _copy(path, destination)
        hashes[key] = wanted


def _copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    scratch = destination.with_name(destination.name + ".part")
    shutil.copyfile(source, scratch)
    scratch.replace(destination)


def _place_weight(source: Path, destination: Path) -> None:
    """A hard link to the cache's read-only file, or a copy across file systems."""
    if destination.exists() and destination.samefile(source):
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    scratch = destination.with_name(destination.name + ".part")
    scratch.unlink(missing_ok=True)
    _link_or_copy(source, scratch)
    scratch.replace(destination)


def _link_or_copy(source: str | Path, destination: str | Path) -> None:
    # Only read-only files are shared: an edit of a small file in repository/ must not reach what Triton reads.
    if not os.stat(source).st_mode & 0o222:
        try:
            os.link(source, destination)
        except OSError:
            pass
        else:
            return
    shutil.copy2(source, destination)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
