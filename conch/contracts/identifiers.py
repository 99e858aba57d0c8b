"""Ids of masters, offers and categories: UUIDs outside, whatever their owner calls them; dense u32 inside.

A key that is no UUID becomes uuid5(catalogue, key) and stays usable in requests: it is made into the same UUID again.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID, uuid5

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import InvalidRequest

LONGEST_KEY = 200
"""Characters."""

_ROOT = UUID("6f6b2d9c-0f0e-5b57-9d0a-63f1f6d2c9aa")
_BLANKS = re.compile(r"\s+")
_HEX = frozenset("0123456789abcdefABCDEF")
_HYPHENS = np.array([8, 13, 18, 23])
_DIGITS = np.delete(np.arange(36), _HYPHENS)
"""Places in a UUID's text."""
_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, np.uint8)
"""Of a hexadecimal digit, by its letter."""
_VALUES[[ord(letter) for letter in sorted(_HEX)]] = [int(letter, 16) for letter in sorted(_HEX)]

_MANY = 24
"""Ids that are read together; of fewer, each by itself is as fast."""

Uuids = npt.NDArray[np.uint8]
"""(n, 16), big-endian as RFC 9562 writes them."""


def uuid_of(catalogue: str, key: str) -> UUID:
    """Raises InvalidRequest for a key of no or more than LONGEST_KEY characters."""
    return UUID(bytes=_bytes_of(catalogue, key))


def uuids_of(catalogue: str, keys: Sequence[str]) -> Uuids:
    """As (n, 16) bytes."""
    if len(keys) >= _MANY and (written := _as_written(keys)) is not None:
        return written
    return np.frombuffer(b"".join([_bytes_of(catalogue, key) for key in keys]), np.uint8).reshape(-1, 16)


def texts_of(uuids: Uuids) -> list[str]:
    """Of (n, 16) bytes, with hyphens and lower case."""
    digits = np.frombuffer(np.ascontiguousarray(uuids).tobytes().hex().encode(), np.uint8).reshape(-1, 32)
    written = np.full((len(digits), 36), ord("-"), np.uint8)
    written[:, _DIGITS] = digits
    letters = written.tobytes().decode()
    return [letters[at : at + 36] for at in range(0, len(letters), 36)]


def category_key(text: str) -> str:
    """What a category is called in Redis and in requests: blanks become hyphens. Raises InvalidRequest for braces."""
    key = _BLANKS.sub("-", text.strip())
    if "{" in key or "}" in key or not 0 < len(key) <= LONGEST_KEY:
        raise InvalidRequest(f"category {text[:80]!r} has braces, or not 1 to {LONGEST_KEY} characters")
    return key


def _as_written(keys: Sequence[str]) -> Uuids | None:
    """All at once; None where one of them is no UUID with hyphens."""
    text = "".join(keys)
    if set(map(len, keys)) != {36} or not text.isascii():
        return None
    letters = np.frombuffer(text.encode(), np.uint8).reshape(-1, 36)
    digits = _VALUES[letters[:, _DIGITS]]
    if (letters[:, _HYPHENS] != ord("-")).any() or (digits == _NO_DIGIT).any():
        return None
    uuids: Uuids = digits[:, ::2] << 4 | digits[:, 1::2]
    return uuids


def _bytes_of(catalogue: str, key: str) -> bytes:
    if len(key) == 36 and key[8] == key[13] == key[18] == key[23] == "-":
        digits = key.replace("-", "")
        if len(digits) == 32 and _HEX.issuperset(digits):
            return bytes.fromhex(digits)
    if not 0 < len(key) <= LONGEST_KEY:
        raise InvalidRequest(f"an id has {len(key)} characters, it must have 1 to {LONGEST_KEY}")
    return uuid5(_namespace(catalogue), key).bytes


@lru_cache(maxsize=1_000)
def _namespace(catalogue: str) -> UUID:
    return uuid5(_ROOT, catalogue)
