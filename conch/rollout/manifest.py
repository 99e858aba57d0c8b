"""Which files a version has: sha256 and size of each, in checksums.json beside them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from conch.durable import write_json
from conch.rollout.refusals import RefusedVersion

CHECKSUMS = "checksums.json"
"""A version may bring its own; then it must fit before anything is copied."""

SIGNATURE = "checksums.sig"
"""Beside it: who vouches for it; see signatures.py."""

IGNORED = frozenset({"__pycache__", ".git", ".DS_Store"})
"""Left behind by tools, never part of a version."""


@dataclass(frozen=True, slots=True)
class FileSum:
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Self:
        with path.open("rb") as file:
            return cls(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


@dataclass(frozen=True, slots=True)
class FileManifest:
    files: Mapping[str, FileSum]
    """By path in the folder, with /."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """As the files are now; checksums.json itself and its signature are not among them."""
        paths = (path.relative_to(folder).as_posix() for path in files_of(folder))
        return cls({path: FileSum.of(folder / path) for path in sorted(paths) if path not in (CHECKSUMS, SIGNATURE)})

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What checksums.json says; None where there is none."""
        try:
            document = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
            files = {
                _inside(path): FileSum(str(one["sha256"]), int(one["size_bytes"]))
                for path, one in document["files"].items()
            }
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RefusedVersion(f"{CHECKSUMS} cannot be read: {error!r}") from error
        return cls(files)

    def write(self, folder: Path) -> None:
        files = {path: {"sha256": one.sha256, "size_bytes": one.size_bytes} for path, one in self.files.items()}
        write_json(folder / CHECKSUMS, {"files": files})

    def verify(self, folder: Path) -> None:
        """Raises RefusedVersion for a file that is missing, too many, or another than it says."""
        found = FileManifest.of(folder).files
        for path in sorted(self.files.keys() - found.keys()):
            raise RefusedVersion(f"{path} is missing, {CHECKSUMS} names it")
        for path in sorted(found.keys() - self.files.keys()):
            raise RefusedVersion(f"{path} is not in {CHECKSUMS}")
        for path, wanted in self.files.items():
            got = found[path]
            if got.size_bytes != wanted.size_bytes:
                raise RefusedVersion(f"{path} has {got.size_bytes} bytes, {CHECKSUMS} says {wanted.size_bytes}")
            if got.sha256 != wanted.sha256:
                raise RefusedVersion(f"{path} has sha256 {got.sha256}, {CHECKSUMS} says {wanted.sha256}")


def files_of(folder: Path) -> list[Path]:
    """Every file and symbolic link below, but for what tools leave behind."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not IGNORED & set(path.relative_to(folder).parts) and (path.is_symlink() or not path.is_dir())
    )


def fingerprint(folder: Path) -> str:
    """Of all that a folder holds, whatever it is: changes when any of it does."""
    total = hashlib.sha256()
    for path in files_of(folder):
        if path.is_symlink():
            content = f"link {path.readlink()}"
        elif path.is_file():
            content = FileSum.of(path).sha256
        else:
            content = "special"
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\0".encode(errors="surrogateescape"))
    return total.hexdigest()


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise RefusedVersion(f"{CHECKSUMS} names {path!r}, which lies outside the version")
    return path
