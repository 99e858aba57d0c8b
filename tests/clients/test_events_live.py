"""Every event log does the same: that of this process, and a real broker; and what the broker alone must."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from conch.clients.events import EventLog, Record
from conch.clients.kafka import KafkaEventLog
from conch.clients.memory_events import MemoryEventLog
from conch.contracts.errors import DeadlineExceeded, TooMuch, Unavailable
from tests.kafka_broker import KafkaBroker, running_kafka

PATIENT_S = 30.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(params=["memory", "kafka"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    if request.param == "memory":
        log: EventLog = MemoryEventLog()
    else:
        log = KafkaEventLog(request.getfixturevalue("broker").address)
    yield log
    await log.close()


@pytest.fixture
def topic() -> str:
    """One that nobody else writes to."""
    return f"events-{uuid.uuid4()}"


async def read(log: EventLog, topic: str) -> list[Record]:
    return await asyncio.to_thread(lambda: list(log.read(topic, PATIENT_S)))


async def test_what_was_appended_is_there(log: EventLog, topic: str) -> None:
    records = [Record(topic, "default:ana", b'{"n":1}', 1_700_000_000_000), Record(topic, "k", b"", 1_700_000_000_001)]
    assert await log.append(records, PATIENT_S) == [None, None]
    assert sorted(await read(log, topic), key=lambda record: record.time_ms) == records


async def test_records_of_one_key_stay_in_order(log: EventLog, topic: str) -> None:
    records = [Record(topic, f"user-{number % 7}", b"%d" % number, 1 + number) for number in range(500)]
    assert await log.append(records, PATIENT_S) == [None] * 500
    found = await read(log, topic)
    assert len(found) == 500
    for key in {record.key for record in records}:
        assert [record for record in found if record.key == key] == [one for one in records if one.key == key]


async def test_a_topic_that_nobody_has_written_to_is_empty(log: EventLog, topic: str) -> None:
    assert await read(log, topic) == []


async def test_nothing_is_appended_in_no_time(log: EventLog) -> None:
    assert await log.append([]) == []


async def test_many_callers_at_once_lose_nothing(log: EventLog, topic: str) -> None:
    async def one(number: int) -> object:
        return await log.append([Record(topic, f"k{number}", b"%d" % number, 1)], PATIENT_S)

    assert await asyncio.gather(*map(one, range(200))) == [[None]] * 200
    assert {int(record.value) for record in await read(log, topic)} == set(range(200))


async def test_a_broker_that_is_frozen_is_not_waited_for_and_a_full_queue_says_when_to_come_back(
    tmp_path: Path, topic: str
) -> None:
    with running_kafka(tmp_path) as broker:
        log = KafkaEventLog(broker.address, waiting=3)
        assert await log.append([Record(topic, "k", b"before", 1)], PATIENT_S) == [None]
        os.kill(broker.process.pid, signal.SIGSTOP)
        records = [Record(topic, "k", b"%d" % number, 1) for number in range(5)]
        first, *_, last = await log.append(records, 0.2)
        assert isinstance(first, DeadlineExceeded)
        assert isinstance(last, TooMuch)
        assert "3 events wait" in last.message
        assert last.retry_after_s == 1.0
        os.kill(broker.process.pid, signal.SIGCONT)
        await log.close()


async def test_a_broker_that_is_not_there_is_told_of(topic: str) -> None:
    log = KafkaEventLog("127.0.0.1:1")
    (outcome,) = await log.append([Record(topic, "k", b"v", 1)], PATIENT_S)
    assert isinstance(outcome, Unavailable)
    with pytest.raises(Unavailable, match="does not answer"):
        await asyncio.to_thread(lambda: list(log.read(topic, 0.5)))
    await log.close()


async def test_events_are_taken_again_by_a_broker_that_came_back_empty(tmp_path: Path, topic: str) -> None:
    with running_kafka(tmp_path) as broker:
        log = KafkaEventLog(broker.address)
        assert await log.append([Record(topic, "k", b"before", 1)], PATIENT_S) == [None]
    with running_kafka(tmp_path, broker.address):
        outcome: object = "none yet"
        for _ in range(10):
            (outcome,) = await log.append([Record(topic, "k", b"after", 1)], PATIENT_S)
            if outcome is None:
                break
        assert outcome is None
        assert b"after" in [record.value for record in await read(log, topic)]
        await log.close()
