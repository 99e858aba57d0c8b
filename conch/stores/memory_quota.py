"""Limits of one process, for tests."""

from collections import defaultdict
from collections.abc import Sequence

from conch.stores.quota import Quota, Take, Taken


class MemoryQuota(Quota):
    """Keeps every key for good."""

    def __init__(self) -> None:
        self.used: dict[str, int] = defaultdict(int)

    def take(self, takes: Sequence[Take], keep_s: int) -> Sequence[Taken]:
        return [self._take(take) for take in takes]

    def give_back(self, taken: Sequence[Take]) -> None:
        for take in taken:
            self.used[take.key] -= take.amount

    def close(self) -> None:
        pass

    def _take(self, take: Take) -> Taken:
        granted = self.used[take.key] + take.amount <= take.limit
        if granted:
            self.used[take.key] += take.amount
        return Taken(granted, self.used[take.key])
