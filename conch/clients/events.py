"""The event log: records by topic, which are there once `append` has said so.

    KafkaEventLog     a Kafka-protocol broker    (kafka.py)
    MemoryEventLog    this process               (memory_events.py)

Both pass tests/clients/test_events_live.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from conch.contracts.errors import ConchError

DEADLINE_S = 5.0
"""For the log to have a record, where nobody says."""


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    key: str
    """Records of one key stay in order."""
    value: bytes
    time_ms: int
    """Epoch ms: when it happened."""


class EventLog(Protocol):
    async def append(self, records: Sequence[Record], deadline_s: float = DEADLINE_S) -> Sequence[ConchError | None]:
        """None for each that the log has, in order; otherwise why it may not be there.

        TooMuch: too many wait already, and this one was not sent. Unavailable or DeadlineExceeded: nobody knows; it may
        still come to be there, so whoever sends it again sends it under the same id.
        """
        ...

    def read(self, topic: str, deadline_s: float) -> Iterator[Record]:
        """From the topic's start to its end; in order by key. Blocks.

        Raises Unavailable; DeadlineExceeded where not all came within `deadline_s`.
        """
        ...

    async def close(self) -> None:
        """What waits is sent first, for a short while."""
        ...
