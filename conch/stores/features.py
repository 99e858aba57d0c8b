"""Hot features: documented keys that other programs read and write, and beside each its packed form.

    RedisFeatures     a server or a cluster      (redis_features.py)
    MemoryFeatures    this process               (memory_features.py)

Both pass tests/stores/test_features_live.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Scores = Mapping[str, float]
"""A sorted set: member → score."""

Items = Sequence[str]
"""A list, its first element first."""

Fields = Mapping[str, str]
"""A hash."""


@dataclass(frozen=True, slots=True)
class SortedSet:
    scores: Scores


@dataclass(frozen=True, slots=True)
class List:
    items: Items


@dataclass(frozen=True, slots=True)
class Hash:
    fields: Fields


Value = SortedSet | List | Hash


@dataclass(frozen=True, slots=True)
class Write:
    """Both forms of one feature; both are written or neither."""

    key: str
    """The documented one."""
    packed: bytes
    """As contracts/features.py packs it; its stamp decides whether it is newer than what stands there."""
    value: Value | None = None
    """None: the documented key is left as it is, as where another program has written it."""
    ttl_s: int | None = None
    """Of the documented key; the packed one is kept longer, with jitter, and a third less long where it stands alone.
    None: both are kept for good."""


SILENCE = "", ""
BREAK = "", "break"
"""Among messages: nothing came for a while; nobody listened for a while, and what was said meanwhile is lost."""


class HotFeatures(Protocol):
    """Raises Unavailable and nothing else, within the deadline that it was made with."""

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        """Packed forms of documented keys, in order, in one wave: a pipeline of GETs a node. None: there is none.
        `within_s`: where the caller has less time than the deadline."""
        ...

    def documented(self, key: str) -> Value | None: ...

    def all_documented(self, keys: Sequence[str]) -> Sequence[Value | None]:
        """In order, in two waves."""
        ...

    def exist(self, keys: Sequence[str]) -> Sequence[bool]:
        """Documented ones, in order, in one wave."""
        ...

    def deleted(self, keys: Mapping[str, int | None]) -> Sequence[bool]:
        """In order: that somebody deleted the documented key though its packed form still says something. `keys` have
        their ttl_s, as in Write: what ended by itself, and what was packed alone, was not deleted."""
        ...

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        """Each whole or not at all: False where a newer stamp stands there. An equal one overwrites."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Both forms."""
        ...

    def forsake(self, keys: Sequence[str]) -> Sequence[bool]:
        """Deletes packed forms of documented keys that stand no more. False: it stands again, and so do both."""
        ...

    def scan(self, pattern: str) -> Iterator[str]:
        """Documented keys that match a glob; each at least once."""
        ...

    def scan_packed(self, pattern: str) -> Iterator[str]:
        """Keys that match a glob and have a packed form, documented or not; each at least once."""
        ...

    def publish(self, channel: str, messages: Sequence[str]) -> None: ...

    def messages(self, channels: Sequence[str], wait_s: float) -> Iterator[tuple[str, str]]:
        """(channel, message) as they come, until the caller stops; SILENCE after each `wait_s` without one, and BREAK
        when it listens again after it could not."""
        ...

    def close(self) -> None: ...
