"""Look at an audio file before it is decoded: is it one that we read, and is all of it there?

The decoder takes what is left of a cut WAV or Ogg for the whole, without a word; MP3 and FLAC are counted while they
are decoded (audio.py).
"""

import io
import struct
from typing import BinaryIO

from conch.contracts.errors import InvalidRequest

TAKEN = "WAV, FLAC, Ogg (Vorbis, Opus) and MP3 are taken"

UNKNOWN_SIZE = 0x7FFFFFFF - 0x1000
"""From here on a RIFF size says "written to a pipe", which is not known to be too short."""

OGG_PAGE_MOST = 27 + 255 + 255 * 255
OGG_PAGE_HEADER = 27


def check_container(source: BinaryIO) -> None:
    """Raises InvalidRequest; leaves `source` at its start."""
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    head = source.read(16)
    if size == 0:
        raise InvalidRequest("the audio is empty: it has 0 bytes")
    if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
        _check_wav(source, size, big_endian=head[:4] == b"RIFX")
    elif head[:4] == b"OggS":
        _check_ogg(source, size)
    elif not (head[:4] == b"fLaC" or head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")):
        raise InvalidRequest(f"the audio begins with {head[:4].hex(' ') or 'nothing'}, which is no format: {TAKEN}")
    source.seek(0)


def _check_wav(source: BinaryIO, size: int, *, big_endian: bool) -> None:
    order = ">" if big_endian else "<"
    promised_64: int | None = None
    at = 12
    while at + 8 <= size:
        source.seek(at)
        name, length = struct.unpack(f"{order}4sI", source.read(8))
        if name == b"ds64":
            fields = source.read(16)
            promised_64 = struct.unpack(f"{order}8xQ", fields)[0] if len(fields) == 16 else None
        if name == b"data":
            promised = promised_64 if promised_64 is not None and length == 0xFFFFFFFF else length
            there = size - at - 8
            if there < promised and (promised < UNKNOWN_SIZE or promised == promised_64):
                raise InvalidRequest(f"the audio is truncated: its header promises {promised} bytes, {there} are there")
            return
        at += 8 + length + length % 2
    raise InvalidRequest(f"the audio is truncated: its {size} bytes end before any samples")


def _check_ogg(source: BinaryIO, size: int) -> None:
    start = max(0, size - OGG_PAGE_MOST)
    source.seek(start)
    tail = source.read(OGG_PAGE_MOST)
    last = tail.rfind(b"OggS")
    if last < 0:
        raise InvalidRequest(f"the audio is damaged: its last {len(tail)} bytes hold no Ogg page")
    page = tail[last:]
    segments = page[26] if len(page) >= OGG_PAGE_HEADER else 0
    lengths = page[OGG_PAGE_HEADER : OGG_PAGE_HEADER + segments]
    promised = OGG_PAGE_HEADER + segments + sum(lengths)
    if len(page) < OGG_PAGE_HEADER or len(lengths) < segments or len(page) < promised:
        raise InvalidRequest(f"the audio is truncated: its last page has {len(page)} bytes of at least {promised}")
