"""What stands in the spool: a chunk as it came, or a mark that says how far a device has come.

length u32 | crc32 u32 | kind u8 | head length u16 | head, JSON | payload        little-endian; length is of what
                                                                                 follows the crc
"""

import json
import struct
import zlib
from dataclasses import asdict, astuple, dataclass
from typing import Any

from bridge.accounts import Balance, Missing
from bridge.chunk import Chunk, Encoding, Format
from conch.contracts.errors import Internal
from conch.contracts.topics import DeviceId

_FRAME = struct.Struct("<II")
_KIND = struct.Struct("<BH")
_CHUNK, _MARK = 1, 2


@dataclass(frozen=True, slots=True)
class Spooled:
    """A chunk with its session and its place there."""

    device: DeviceId
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Mark:
    """The latest one of a device counts."""

    device: DeviceId
    session: str
    format: Format
    began_ns: int
    """By the wall clock: a device's latest session is its current one."""
    next_offset: int
    decided_to: int
    """Audio before this is no longer needed."""
    balance: Balance
    thrown_away: tuple[Missing, ...] = ()
    """After `decided_to`; nobody will hear it."""


Record = Spooled | Mark


def encode(record: Record) -> bytes:
    kind, head, payload = _parts(record)
    text = json.dumps(head, separators=(",", ":")).encode()
    body = b"".join((_KIND.pack(kind, len(text)), text, payload))
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def size_at(data: bytes, at: int) -> int:
    """Bytes of the whole record that starts there; 0 where none does, as where a crash tore the last one."""
    if at + _FRAME.size > len(data):
        return 0
    length, crc = _FRAME.unpack_from(data, at)
    body = memoryview(data)[at + _FRAME.size : at + _FRAME.size + length]
    whole = length >= _KIND.size and len(body) == length and zlib.crc32(body) == crc
    return _FRAME.size + int(length) if whole else 0


def decode(data: bytes, at: int = 0) -> Record:
    """Of a whole one, see size_at()."""
    length, _ = _FRAME.unpack_from(data, at)
    start = at + _FRAME.size
    kind, head_length = _KIND.unpack_from(data, start)
    text_end = start + _KIND.size + head_length
    try:
        head = json.loads(data[start + _KIND.size : text_end])
        device = DeviceId(head["tenant"], head["device"])
        how = Format(head["rate"], Encoding(head["encoding"]), head["counted"])
        if kind == _MARK:
            balance = Balance(**head["balance"])
            gone = tuple(Missing(*one) for one in head["thrown_away"])
            return Mark(
                device, head["session"], how, head["began_ns"], head["next_offset"], head["decided_to"], balance, gone
            )
        payload = data[text_end : start + length]
        came_at = head.get("came_at", 0.0)  # a spool of before has none
        chunk = Chunk(payload, how, head["samples"], head["session"], head["sequence"], head["offset"], came_at=came_at)
        return Spooled(device, chunk)
    except (ValueError, KeyError, TypeError) as error:
        raise Internal(f"a record of the spool is whole and cannot be read: {error!r}") from error


def _parts(record: Record) -> tuple[int, dict[str, Any], bytes]:
    if isinstance(record, Mark):
        places = {
            "began_ns": record.began_ns,
            "next_offset": record.next_offset,
            "decided_to": record.decided_to,
        }
        rest = {"balance": asdict(record.balance), "thrown_away": [astuple(one) for one in record.thrown_away]}
        return _MARK, {**_head(record.device, record.session, record.format), **places, **rest}, b""
    chunk = record.chunk
    return (
        _CHUNK,
        {
            **_head(record.device, chunk.session, chunk.format),
            "samples": chunk.samples,
            "sequence": chunk.sequence,
            "offset": chunk.offset,
            "came_at": round(chunk.came_at, 3),
        },
        chunk.data,
    )


def _head(device: DeviceId, session: str, how: Format) -> dict[str, Any]:
    return {
        "tenant": device.tenant,
        "device": device.device,
        "session": session,
        "rate": how.rate,
        "encoding": how.encoding.value,
        "counted": how.counted,
    }
