"""MQTT by paho 2, the one file that knows it: messages in, acknowledged by hand, and messages out.

paho runs in a thread of its own; everything here is called, and calls back, on the event loop.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from conch.contracts.errors import DeadlineExceeded, Unavailable

logger = logging.getLogger(__name__)

SESSION_KEPT_S = 3600
"""For so long the broker keeps what comes while nobody is here."""

SUBSCRIBED_WITHIN_S = 10.0
"""A broker that says nothing to a subscription for so long is left, and connected to again."""

MOST_UNSENT = 1000
"""Messages of ours that wait for the broker; then new ones are lost, and counted."""


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...]
    sent_again: bool
    """The broker's own mark."""
    retained: bool
    """It was published before we subscribed, and the broker gives it to whoever does."""
    qos: int
    number: int
    connection: int


@dataclass(frozen=True, slots=True)
class Tls:
    """All PEM."""

    authorities: Path
    """Whose certificate the broker must show, for the host's name."""
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Broker:
    host: str
    port: int
    version: str
    """3.1.1 or 5."""
    client_id: str
    user: str = ""
    password: str = ""
    tls: Tls | None = None
    kept_s: int = SESSION_KEPT_S


@dataclass(frozen=True, slots=True)
class Offer:
    """What a broker says of itself when it lets us in; MQTT 3.1.1 has no words for it, and says all this."""

    in_flight: int = 65_535
    """Messages of ours that it takes before it has acknowledged one."""
    packet_bytes: int = 2**28
    qos: int = 2
    wildcards: bool = True
    shared: bool = True
    kept_s: int | None = None
    """None: as long as we asked for."""


class Mqtt:
    def __init__(self, broker: Broker, filters: Sequence[str], max_unacknowledged: int) -> None:
        self._broker = broker
        self._filters = filters
        self._connection = 0
        self.connected = False
        """And subscribed to the filters, if there are any."""
        self.refusal = ""
        """Why the broker lets us not subscribe."""
        self.unsent = 0
        """Messages that were given to publish() and lost."""
        self.offer = Offer()
        """Of the connection that stands."""
        self.breaks = 0
        """How often a connection has ended that we did not end."""
        self._given = 0
        self._confirmed = 0
        self._here = asyncio.Event()
        self._delivered: dict[int, asyncio.Future[None]] = {}
        self._loop: asyncio.AbstractEventLoop
        self._is_5 = broker.version == "5"
        self._client = self._made(max_unacknowledged)
        self._max_unacknowledged = max_unacknowledged

    async def run(self, take: Callable[[Message], None]) -> None:
        """Keeps the connection until it is cancelled; `take` gets every message, in the order they come."""
        loop = self._loop = asyncio.get_running_loop()

        def arrived(_client: Any, _user: Any, message: Any) -> None:
            loop.call_soon_threadsafe(take, self._read(message))

        self._client.on_message = arrived
        options: dict[str, Any] = {}
        if self._is_5:
            options = {"clean_start": not self._broker.kept_s, "properties": self._connect_properties()}
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=20, **options)
        self._client.loop_start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    @property
    def unconfirmed(self) -> int:
        """Messages that publish() was given and the broker has not acknowledged."""
        return self._given - self._confirmed

    def limit_in_flight(self, most: int) -> None:
        """Before run(): paho does not heed what the broker offers, which ends a connection that goes beyond."""
        self._client.max_inflight_messages_set(min(self._max_unacknowledged, most))

    def acknowledge(self, message: Message) -> None:
        """In the order they came. One of a connection that is gone comes again, and is acknowledged then."""
        if message.qos and message.connection == self._connection:
            self._client.ack(message.number, message.qos)

    def publish(self, topic: str, payload: bytes, qos: int, properties: Sequence[tuple[str, str]] = ()) -> None:
        told = None
        if self._is_5 and properties:
            told = _properties(PacketTypes.PUBLISH)
            told.UserProperty = list(properties)
        sent = self._client.publish(topic, payload, qos, properties=told)
        # Without a connection QoS 1 waits in paho, and is no loss.
        lost = sent.rc == paho.MQTT_ERR_QUEUE_SIZE or (sent.rc == paho.MQTT_ERR_NO_CONN and qos == 0)
        self.unsent += lost
        self._given += not lost

    async def deliver(self, topic: str, payload: bytes, within_s: float) -> None:
        """At QoS 1; returns when the broker has it. Unavailable: it was not sent. DeadlineExceeded: perhaps it was."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        try:
            async with asyncio.timeout_at(until):
                await self._here.wait()
        except TimeoutError:
            raise Unavailable(f"the broker was away for {within_s:.1f} s") from None
        sent = self._client.publish(topic, payload, 1)
        if sent.rc == paho.MQTT_ERR_QUEUE_SIZE:
            raise Unavailable(f"{MOST_UNSENT} messages wait for the broker already")
        self._given += 1
        delivered = self._delivered[sent.mid] = loop.create_future()
        try:
            async with asyncio.timeout_at(until):
                await delivered
        except TimeoutError:
            raise DeadlineExceeded(f"the broker has not acknowledged it within {within_s:.1f} s") from None
        finally:
            self._delivered.pop(sent.mid, None)

    def _made(self, max_unacknowledged: int) -> paho.Client:
        options: dict[str, Any] = {} if self._is_5 else {"clean_session": not self._broker.kept_s}
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            protocol=paho.MQTTv5 if self._is_5 else paho.MQTTv311,
            manual_ack=True,
            **options,
        )
        if self._broker.user:
            client.username_pw_set(self._broker.user, self._broker.password)
        if (tls := self._broker.tls) is not None:
            client.tls_set(str(tls.authorities), _text(tls.certificate), _text(tls.key))
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.max_queued_messages_set(MOST_UNSENT)
        client.max_inflight_messages_set(max_unacknowledged)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_publish = self._was_confirmed
        return client

    def _connect_properties(self) -> Any:
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._broker.kept_s
        properties.ReceiveMaximum = self._max_unacknowledged
        return properties

    def _connected(self, client: Any, _user: Any, _flags: Any, reason: Any, told: Any) -> None:
        if reason.is_failure:
            logger.error("the broker refuses us: %s", reason)
            return
        self.offer = _offer(told)
        self._connection += 1
        if self._filters:
            client.subscribe([(topic, 1) for topic in self._filters])
            self._loop.call_soon_threadsafe(self._expect_subscribed, self._connection)
        else:
            self.connected = True

    def _expect_subscribed(self, connection: int) -> None:
        self._loop.call_later(SUBSCRIBED_WITHIN_S, self._leave_mute, connection)

    def _leave_mute(self, connection: int) -> None:
        if self.connected or self.refusal or connection != self._connection:
            return
        logger.warning("the broker says nothing to a subscription for %g s: connecting again", SUBSCRIBED_WITHIN_S)
        if isinstance(held := self._client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                # Below TLS, whose state is that thread's of paho's which now sees an end, and connects again.
                socket.socket.shutdown(held, socket.SHUT_RDWR)

    def _subscribed(self, _client: Any, _user: Any, _number: Any, reasons: Any, _properties: Any) -> None:
        if refused := [str(reason) for reason in reasons if reason.is_failure]:
            self.refusal = ", ".join(refused)
            logger.error("the broker lets us not subscribe to %s: %s", ", ".join(self._filters), self.refusal)
            return
        self.connected = True
        self._loop.call_soon_threadsafe(self._here.set)
        logger.info("subscribed at %s:%d", self._broker.host, self._broker.port)

    def _disconnected(self, _client: Any, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connected = False
        self._loop.call_soon_threadsafe(self._here.clear)
        if reason.is_failure:
            self.breaks += 1
            logger.warning("the broker is away: %s", reason)

    def _was_confirmed(self, _client: Any, _user: Any, number: int, reason: Any, _properties: Any) -> None:
        self._confirmed += 1
        # paho calls this before publish() has returned, where the broker is quick; the loop is behind both.
        self._loop.call_soon_threadsafe(self._settle, number, str(reason) if reason.is_failure else "")

    def _settle(self, number: int, refusal: str) -> None:
        delivered = self._delivered.get(number)
        if delivered is None or delivered.done():
            return
        if refusal:
            delivered.set_exception(Unavailable(f"the broker refuses it: {refusal}"))
        else:
            delivered.set_result(None)

    def _read(self, message: Any) -> Message:
        properties = getattr(message.properties, "UserProperty", ()) if message.properties is not None else ()
        return Message(
            message.topic,
            bytes(message.payload),
            tuple((str(name), str(value)) for name, value in properties),
            bool(message.dup),
            bool(message.retain),
            message.qos,
            message.mid,
            self._connection,
        )


def _offer(told: Any) -> Offer:
    """Of CONNACK's properties, of which each may be missing."""

    def read(name: str, otherwise: Any) -> Any:
        return getattr(told, name, otherwise)

    return Offer(
        read("ReceiveMaximum", 65_535),
        read("MaximumPacketSize", 2**28),
        read("MaximumQoS", 2),
        bool(read("WildcardSubscriptionAvailable", True)),
        bool(read("SharedSubscriptionAvailable", True)),
        read("SessionExpiryInterval", None),
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _properties(packet: int) -> Any:
    return Properties(packet)  # type: ignore[no-untyped-call] # paho's own types end here
