"""An event log of this process, for tests."""

from collections.abc import Iterator, Sequence

from conch.clients.events import DEADLINE_S, EventLog, Record
from conch.contracts.errors import ConchError


class MemoryEventLog(EventLog):
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refusing: ConchError | None = None
        """Set: nothing is taken, for that reason."""

    async def append(self, records: Sequence[Record], deadline_s: float = DEADLINE_S) -> Sequence[ConchError | None]:
        if self.refusing is None:
            self.records += records
        return [self.refusing] * len(records)

    def read(self, topic: str, deadline_s: float) -> Iterator[Record]:
        yield from [record for record in self.records if record.topic == topic]

    async def close(self) -> None:
        pass
