"""The event log in Kafka, or in what speaks its protocol. No other file knows confluent_kafka.

Every record is acknowledged by all replicas in sync, and written once however often the library sends it. Topics are
made by the broker when they are first written to, or beforehand where it does not.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from conch.clients.events import DEADLINE_S, EventLog, Record
from conch.contracts.errors import ConchError, DeadlineExceeded, TooMuch, Unavailable

WAITING = 10_000
"""Records that wait to be acknowledged; the next one is refused with a time to come back."""

RETRY_AFTER_S = 1.0

CLOSE_S = 5.0

_POLL_S = 0.1
_AT_ONCE = 1_000

Outcome = asyncio.Future[ConchError | None]


class KafkaEventLog(EventLog):
    """Of one event loop. Connects by itself, and again whenever the broker comes back."""

    def __init__(self, address: str, *, waiting: int = WAITING) -> None:
        """`address` is host:port, of any broker of a cluster."""
        self._address = address
        self._waiting = waiting
        self._sender: _Sender | None = None

    async def append(self, records: Sequence[Record], deadline_s: float = DEADLINE_S) -> Sequence[ConchError | None]:
        outcomes = [self._running().send(record) for record in records]
        done, _ = await asyncio.wait(outcomes, timeout=deadline_s) if outcomes else (set(), set())
        late = DeadlineExceeded(f"the event log has not acknowledged it within {deadline_s:g} s")
        return [outcome.result() if outcome in done else late for outcome in outcomes]

    def read(self, topic: str, deadline_s: float) -> Iterator[Record]:
        ends_at = time.monotonic() + deadline_s
        with self._consumer() as consumer:
            try:
                yield from _records(consumer, topic, ends_at)
            except KafkaException as error:
                raise Unavailable(f"the event log does not answer: {_said(error)}") from error

    async def close(self) -> None:
        if self._sender is not None:
            await asyncio.to_thread(self._sender.close, CLOSE_S)

    def _running(self) -> "_Sender":
        if self._sender is None or self._sender.is_worn:
            if self._sender is not None:
                self._sender.retire()
            self._sender = _Sender(self._address, self._waiting)
        return self._sender

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        # It assigns its partitions itself and commits nothing: the group is a name that the protocol wants. Where a
        # partition ends is told by the answers to its fetches: tansu, asked for its last offset, counts batches.
        own = {"group.id": "conch-reader", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer({**_client(self._address), **own})
        try:
            yield consumer
        finally:
            consumer.close()


class _Sender:
    """One producer of the library, and the thread that hears from it."""

    def __init__(self, address: str, waiting: int) -> None:
        self._waiting = waiting
        self.is_worn = False
        """A record was given up. A broker that came back empty does not know this producer, and takes nothing of it."""
        self._retired = threading.Event()
        self._producer = Producer(
            {
                **_client(address),
                "acks": "all",
                "enable.idempotence": True,
                "queue.buffering.max.messages": waiting,
                "message.timeout.ms": round(1000 * DEADLINE_S),
                "linger.ms": 2,
            }
        )
        self._hearing = threading.Thread(target=self._hear, name="kafka", daemon=True)
        self._hearing.start()

    def send(self, record: Record) -> Outcome:
        """Its outcome is set when the log has it, or will not have it."""
        loop = asyncio.get_running_loop()
        outcome: Outcome = loop.create_future()
        try:
            self._producer.produce(
                record.topic,
                key=record.key.encode(),
                value=record.value,
                timestamp=record.time_ms,
                on_delivery=partial(self._delivered, loop, outcome),
            )
        except BufferError:
            full = f"{self._waiting} events wait for the event log, which is as many as may"
            outcome.set_result(TooMuch(full, RETRY_AFTER_S))
        except KafkaException as error:
            self.is_worn = True
            outcome.set_result(Unavailable(f"the event log does not take it: {_said(error)}"))
        return outcome

    def retire(self) -> None:
        """It ends when nothing waits any more."""
        self._retired.set()

    def close(self, within_s: float) -> None:
        with contextlib.suppress(KafkaException):
            self._producer.flush(within_s)
        self._producer.purge()
        self.retire()
        self._hearing.join()

    def _hear(self) -> None:
        while not self._retired.is_set() or len(self._producer):
            try:
                self._producer.poll(_POLL_S)
            except KafkaException:
                # The broker does not know this producer any more. What waits is still told of, by those that follow.
                self.is_worn = True

    def _delivered(
        self, loop: asyncio.AbstractEventLoop, outcome: Outcome, error: KafkaError | None, _: Message
    ) -> None:
        """Called in the thread that hears."""
        failed = Unavailable(f"the event log does not have it: {error.str()}") if error is not None else None
        self.is_worn |= error is not None

        def tell() -> None:
            if not outcome.done():
                outcome.set_result(failed)

        # The loop has ended where nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell)


def _client(address: str) -> dict[str, object]:
    return {
        "bootstrap.servers": address,
        "client.id": "conch",
        "reconnect.backoff.max.ms": 1_000,
        # Each outcome tells what is wrong; the library would say so again with every attempt to connect.
        "log_level": 2,
    }


def _records(consumer: Consumer, topic: str, ends_at: float) -> Iterator[Record]:
    known = consumer.list_topics(topic, timeout=_left(ends_at)).topics.get(topic)
    # A topic that nobody has written to is told of as an error.
    unread = set(known.partitions) if known is not None and known.error is None else set()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unread])
    while unread:
        for message in consumer.consume(_AT_ONCE, _POLL_S):
            error = message.error()
            if error is None:
                yield _record(topic, message)
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition() or 0)
            else:
                raise KafkaException(error)
        if unread and time.monotonic() > ends_at:
            raise DeadlineExceeded(f"{len(unread)} partitions of {topic} were not read to their end in time")


def _record(topic: str, message: Message) -> Record:
    key, value = message.key() or b"", message.value() or b""
    return Record(topic, key.decode(errors="replace"), value, message.timestamp()[1])


def _left(ends_at: float) -> float:
    return max(0.001, ends_at - time.monotonic())


def _said(error: KafkaException) -> str:
    cause = error.args[0] if error.args else error
    return cause.str() if isinstance(cause, KafkaError) else str(cause)


def check_broker(address: str, deadline_s: float) -> None:
    """Asks it for its topics. Raises Unavailable."""
    consumer = Consumer({**_client(address), "group.id": "conch-probe"})
    try:
        consumer.list_topics(timeout=deadline_s)
    except KafkaException as error:
        raise Unavailable(f"the event log does not answer: {_said(error)}") from error
    finally:
        consumer.close()
