"""Receive a version file by file, into a folder of its own: bounded, and each file held against its sha256."""

import asyncio
import contextlib
import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from conch.contracts.errors import DeadlineExceeded, InvalidRequest, TooMuch
from conch.contracts.pb.models.v1 import models_pb2 as pb

LONGEST_PATH = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    files: int = 10_000
    total_bytes: int = 64 * 2**30
    chunk_bytes: int = 2**20
    silence_s: float = 60.0
    """A sender who says nothing for so long has gone."""
    spare_bytes: int = 2**30
    """Of the disk, which stay free."""


@contextlib.contextmanager
def upload_folder(uploads: Path) -> Iterator[Path]:
    """Gone when its context ends."""
    folder = uploads / f"upload-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def receive(requests: AsyncIterator[Any], folder: Path, bounds: Bounds) -> pb.PublishOpening:
    """Every file into `folder`; nothing in it is of use before this returns."""
    opening: pb.PublishOpening | None = None
    with contextlib.closing(Receiving(folder, bounds)) as receiving:
        while (request := await _next(requests, bounds.silence_s)) is not None:
            part = request.WhichOneof("part")
            if (part == "opening") is not (opening is None):
                raise InvalidRequest("an opening comes first, and once")
            if part == "opening":
                opening = request.opening
            elif part == "file":
                await asyncio.to_thread(receiving.begin, request.file)
            elif part == "chunk":
                await asyncio.to_thread(receiving.write, request.chunk)
            else:
                raise InvalidRequest("a part is neither opening, nor file, nor chunk")
        await asyncio.to_thread(receiving.end_file)
    if opening is None:
        raise InvalidRequest("no opening came")
    return opening


async def _next(requests: AsyncIterator[Any], silence_s: float) -> Any:
    """None at the end."""
    try:
        async with asyncio.timeout(silence_s):
            return await anext(requests, None)
    except TimeoutError:
        raise DeadlineExceeded(f"nothing came for {silence_s:g} s") from None


@dataclass(slots=True)
class Receiving:
    folder: Path
    bounds: Bounds
    _files: int = 0
    _total_bytes: int = 0
    _announced: pb.PublishFile | None = None
    _got_bytes: int = 0
    _sum: Any = field(default_factory=hashlib.sha256)
    _file: IO[bytes] | None = None

    def begin(self, announced: pb.PublishFile) -> None:
        self.end_file()
        self._files += 1
        self._total_bytes += announced.size_bytes
        if announced.size_bytes < 0:
            raise InvalidRequest(f"{announced.path} has {announced.size_bytes} bytes")
        if self._files > self.bounds.files:
            raise TooMuch(f"a version has at most {self.bounds.files} files")
        if self._total_bytes > self.bounds.total_bytes:
            raise TooMuch(f"{self._total_bytes} bytes are announced, a version has at most {self.bounds.total_bytes}")
        free = shutil.disk_usage(self.folder).free - self.bounds.spare_bytes
        if announced.size_bytes > free:
            raise TooMuch(f"{announced.path} has {announced.size_bytes} bytes, the disk has room for {max(free, 0)}")
        target = self.folder / inner_path(announced.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = target.open("xb")
        except OSError as error:
            raise InvalidRequest(f"{announced.path} cannot stand beside the files before it: {error}") from None
        self._announced, self._got_bytes, self._sum = announced, 0, hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        if self._announced is None or self._file is None:
            raise InvalidRequest("a chunk comes before its file")
        if len(chunk) > self.bounds.chunk_bytes:
            raise TooMuch(f"a chunk has {len(chunk)} bytes, {self.bounds.chunk_bytes} at most")
        self._got_bytes += len(chunk)
        if self._got_bytes > self._announced.size_bytes:
            raise InvalidRequest(
                f"{self._announced.path} comes with {self._got_bytes} bytes, {self._announced.size_bytes} are announced"
            )
        self._sum.update(chunk)
        self._file.write(chunk)

    def end_file(self) -> None:
        """Raises InvalidRequest where it is not what was announced."""
        announced = self._announced
        self.close()
        if announced is None:
            return
        self._announced = None
        if self._got_bytes != announced.size_bytes:
            raise InvalidRequest(
                f"{announced.path} came with {self._got_bytes} bytes, {announced.size_bytes} are announced"
            )
        if self._sum.hexdigest() != announced.sha256:
            raise InvalidRequest(
                f"{announced.path} came with sha256 {self._sum.hexdigest()}, {announced.sha256} is announced"
            )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def inner_path(text: str) -> PurePosixPath:
    """Raises InvalidRequest for one that leaves the folder, or that not every file system takes."""
    path = PurePosixPath(text)
    plain = text.isprintable() and "\\" not in text and 0 < len(text) <= LONGEST_PATH
    if not plain or path.is_absolute() or ".." in path.parts or path.as_posix() != text or not path.parts:
        raise InvalidRequest(f"{text!r} is no path inside a version")
    return path
