"""What tells two versions of a model apart: files, config, probes, lineage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conch.contracts.errors import InvalidRequest, NotFound
from conch.rollout.folders import CONFIG, CONFIGS, PROBES, Folders
from conch.rollout.lineage import LINEAGE, Lineage
from conch.rollout.manifest import FileManifest
from conch.rollout.record import ModelRecord
from conch.rollout.shown import shown_model

Kind = Literal["file", "config", "probes", "lineage"]


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    name: str
    before: str
    """Empty, as below, where there is none: sha256 of a file, text of a config, value of a line."""
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    before: int
    after: int
    differences: list[Difference]


def compare(folders: Folders, model: str, before: int | None = None, after: int | None = None) -> Comparison:
    """None: the champion before, and the champion. Reads every file of both."""
    record = shown_model(folders, model).record
    if record is None:
        raise NotFound(f"no version of model {model} is there, all were refused")
    new = record.champion if after is None else record.target(after)
    old = _older(record, new) if before is None else record.target(before)
    if old == new:
        raise InvalidRequest(f"version {old} of model {model} is one version, a comparison is of two")
    return Comparison(old, new, list(_differences(folders, model, old, new)))


def _older(record: ModelRecord, new: int) -> int:
    """What `new` is compared with where nobody says."""
    if new == record.champion:
        return record.target(None)
    return record.champion


def _differences(folders: Folders, model: str, old: int, new: int) -> Iterator[Difference]:
    before, after = folders.version(model, old), folders.version(model, new)
    yield from _pairs("file", _sums(before), _sums(after))
    ours, theirs = folders.configs(model, old), folders.configs(model, new)
    yield from _pairs("config", _texts(ours), _texts(theirs))
    yield from _pairs("probes", _read(ours, PROBES), _read(theirs, PROBES))
    yield from _pairs("lineage", _lineage(before), _lineage(after))


def _pairs(kind: Kind, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Difference(kind, name, old, new)


def _sums(folder: Path) -> dict[str, str]:
    files = FileManifest.of(folder).files
    told_apart = (CONFIG, PROBES, LINEAGE)
    return {
        path: one.sha256 for path, one in files.items() if path not in told_apart and not path.startswith(f"{CONFIGS}/")
    }


def _texts(own: Path) -> dict[str, str]:
    paths = [own / CONFIG, *sorted((own / CONFIGS).glob("*.pbtxt"))]
    return {path.relative_to(own).as_posix(): path.read_text(encoding="utf-8") for path in paths if path.is_file()}


def _read(own: Path, name: str) -> dict[str, str]:
    return {name: (own / name).read_text(encoding="utf-8")} if (own / name).is_file() else {}


def _lineage(folder: Path) -> dict[str, str]:
    lineage = Lineage.read(folder)
    return lineage.lines() if lineage else {}
