"""One member out of a wheel, without the rest: a wheel is a zip, and a zip tells at its end where everything lies."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from conch.contracts.errors import NotFound, Unavailable

_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, then the lengths of the name and of the extra field that follow it."""

_BLOCK_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a member's bytes lie in its archive, and how."""

    offset: int
    size_bytes: int
    deflated: bool


def find_member(archive: BinaryIO | io.BufferedReader, member: str) -> Extent:
    """Reads the archive's directory and the member's header, nothing else."""
    try:
        with zipfile.ZipFile(archive) as directory:
            entry = directory.getinfo(member)
    except KeyError:
        raise NotFound(f"the archive has no member {member}") from None
    except zipfile.BadZipFile as error:
        raise Unavailable(f"not an archive: {error}") from error
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unavailable(f"{member} is compressed by method {entry.compress_type}, which we do not read")
    archive.seek(entry.header_offset)
    header = archive.read(_LOCAL_HEADER.size)
    signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    if signature != b"PK\x03\x04":
        raise Unavailable(f"the archive's directory points {member} at {entry.header_offset}, where no member starts")
    return Extent(
        offset=entry.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes,
        size_bytes=entry.compress_size,
        deflated=entry.compress_type == zipfile.ZIP_DEFLATED,
    )


def expand(source: BinaryIO, extent: Extent, sink: BinaryIO) -> None:
    """Write the member to `sink`; `source` stands at the extent's first byte."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if extent.deflated else None
    missing = extent.size_bytes
    try:
        while missing and (chunk := source.read(min(missing, _CHUNK_BYTES))):
            missing -= len(chunk)
            sink.write(inflater.decompress(chunk) if inflater else chunk)
        if inflater:
            sink.write(inflater.flush())
    except zlib.error as error:
        raise Unavailable(f"compressed bytes are damaged: {error}") from error


class RemoteFile(io.RawIOBase):
    """A file that is read block by block, for `find_member`: two or three blocks find a member in any wheel."""

    def __init__(self, size_bytes: int, read: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size_bytes = size_bytes
        self._read = read
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, offset = divmod(self._at, _BLOCK_BYTES)
        if self._at >= self._size_bytes:
            return 0
        if number not in self._blocks:
            start = number * _BLOCK_BYTES
            self._blocks[number] = self._read(start, min(_BLOCK_BYTES, self._size_bytes - start))
        data = self._blocks[number][offset : offset + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
