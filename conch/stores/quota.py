"""How much of its limit each key has used, counted where several processes must agree on it.

    RedisQuota     a server that all of them share   (redis_quota.py)
    MemoryQuota    this process                      (memory_quota.py)

Both pass tests/stores/test_quota_live.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Take:
    key: str
    amount: int
    limit: int
    """Of all that is taken from the key while it is kept."""


@dataclass(frozen=True, slots=True)
class Taken:
    granted: bool
    used: int
    """After it where it was granted, and what stood in its way where it was not."""


class Quota(Protocol):
    """Raises Unavailable and nothing else, within a deadline of its own."""

    def take(self, takes: Sequence[Take], keep_s: int) -> Sequence[Taken]:
        """Each whole or not at all, one after the other; a key is kept for `keep_s` from its last take."""
        ...

    def give_back(self, taken: Sequence[Take]) -> None:
        """Of takes that were granted. What cannot be given back stays used."""
        ...

    def close(self) -> None: ...
