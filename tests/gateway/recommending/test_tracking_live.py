"""Track over a real broker that is killed in the middle of a stream and comes back empty."""

import asyncio
import os
import signal
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from conch.clients.events import Record
from conch.clients.kafka import KafkaEventLog
from conch.contracts.errors import ConchError, DeadlineExceeded
from conch.contracts.events import EVENTS, decode
from gateway.recommending.tracking import Tracking
from tests.gateway.recommending.conftest import CALL
from tests.kafka_broker import running_kafka

EVENTS_OF_STREAM = 400
AT_ONCE = 10
PATIENT_S = 60.0


class Shopper:
    """Sends its events in turn, and what was not accepted once more under the same id, as the page of Track says."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self.events = [
            {"kind": "click", "id": str(uuid.uuid4()), "user": f"user-{number % 7}", "pid": "p"}
            for number in range(EVENTS_OF_STREAM)
        ]
        self.accepted: set[str] = set()
        self.sent_again = 0
        self.under_way = asyncio.Event()
        """A quarter is accepted."""

    async def run(self) -> None:
        for at in range(0, EVENTS_OF_STREAM, AT_ONCE):
            await self._send(self.events[at : at + AT_ONCE])

    async def _send(self, events: list[dict[str, Any]]) -> None:
        while events:
            try:
                refused = {one.index for one in (await self._tracking.track(events, CALL)).refused}
            except ConchError:
                refused = set(range(len(events)))
            self.accepted |= {str(event["id"]) for index, event in enumerate(events) if index not in refused}
            if len(self.accepted) >= EVENTS_OF_STREAM // 4:
                self.under_way.set()
            events = [events[index] for index in sorted(refused)]
            self.sent_again += len(events)


async def test_a_restart_of_the_broker_loses_nothing_that_it_had_not_acknowledged(tmp_path: Path) -> None:
    with running_kafka(tmp_path) as broker:
        log = KafkaEventLog(broker.address)
        shopper = Shopper(Tracking(log))
        running = asyncio.create_task(shopper.run())
        await asyncio.wait_for(shopper.under_way.wait(), PATIENT_S)
        # Frozen first: what it has acknowledged is heard of before it ends with all that it has.
        os.kill(broker.process.pid, signal.SIGSTOP)
        (unheard,) = await log.append([Record("another", "k", b"", 1)], 1.0)
        assert isinstance(unheard, DeadlineExceeded)
        broker.process.kill()
    before = set(shopper.accepted)
    with running_kafka(tmp_path, broker.address):
        async with asyncio.timeout(PATIENT_S):
            await running
        records = await asyncio.to_thread(lambda: list(log.read(EVENTS, PATIENT_S)))
        await log.close()
    assert len(shopper.accepted) == EVENTS_OF_STREAM
    assert shopper.sent_again > 0
    found = Counter(decode(record.value).id for record in records)
    assert shopper.accepted - before <= found.keys()
    assert found.keys() <= shopper.accepted
    values = {decode(record.value).id: record.value for record in records}
    assert all(record.value == values[decode(record.value).id] for record in records)
