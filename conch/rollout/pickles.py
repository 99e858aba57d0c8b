"""Whether bytes run code when they are read: pickles, whatever their file is called and however they are packed."""

import bz2
import gzip
import io
import lzma
import pickletools
import re
import zlib
from collections.abc import Callable, Mapping

HEAD_BYTES = 4096
"""Enough to tell a pickle by; of what is packed, so much is unpacked."""

_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_PACKED: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": lambda head: gzip.GzipFile(fileobj=io.BytesIO(head)).read1(HEAD_BYTES),
    b"BZh": lambda head: bz2.BZ2Decompressor().decompress(head, HEAD_BYTES),
    b"\xfd7zXZ": lambda head: lzma.LZMADecompressor().decompress(head, HEAD_BYTES),
    b"\x78": lambda head: zlib.decompressobj().decompress(head, HEAD_BYTES),
}
"""By how they begin; joblib packs like that."""
_NAME = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
"""A module and what is taken from it."""
_FEWEST_OPCODES = 3


def looks_pickled(head: bytes, packed_times: int = 0) -> bool:
    """`head`: the first HEAD_BYTES of a file, or all of it."""
    if head.startswith(_STARTS) and _opcodes(head)[0] >= _FEWEST_OPCODES:
        # A magic number of two bytes may stand at the start of anything: the opcodes after it must be some.
        return True
    if packed_times == 0:
        for start, unpack in _PACKED.items():
            if head.startswith(start):
                return looks_pickled(_unpacked(unpack, head), packed_times + 1)
    count, names = _opcodes(head)
    # Protocols 0 and 1 have no magic number: they are told by what they take from a module.
    return count >= _FEWEST_OPCODES and any(map(_NAME.fullmatch, names))


def _unpacked(unpack: Callable[[bytes], bytes], head: bytes) -> bytes:
    try:
        return unpack(head)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return b""


def _opcodes(head: bytes) -> tuple[int, list[str]]:
    """How many can be read before the head ends or something else begins, and what they take from modules."""
    count, names = 0, []
    try:
        for opcode, argument, _ in pickletools.genops(head):
            count += 1
            if opcode.name in ("GLOBAL", "INST"):
                names.append(str(argument))
    except (ValueError, IndexError, KeyError, OverflowError):
        pass
    return count, names
