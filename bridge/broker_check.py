"""What a broker would do without a word, found out before audio depends on it.

It is told by its CONNACK, or shows it: the largest chunk must come back through a topic of our own, and more messages
than may be in flight, of which none is acknowledged until the broker has taken all of them.
"""

from dataclasses import dataclass

from bridge.mqtt import Broker, Message, Mqtt, Offer
from bridge.trial import WITHIN_S, BrokerUnfit, connected, until
from conch.contracts.topics import BROKER_CHECK, OFFSET, RATE, SEQUENCE, SESSION

HEAD_BYTES = 1024
"""Of a message beside its audio: topic and properties."""

SLICE = 200

TRIES = 3


@dataclass(frozen=True, slots=True)
class Needs:
    chunk_bytes: int
    unacknowledged: int
    held: int


@dataclass(frozen=True, slots=True)
class Fitness:
    in_flight: int
    """Messages of ours that the broker takes at once."""
    lowered: tuple[str, ...]
    """What works with less than was asked for, in words."""


class BrokerCheck:
    def __init__(self, broker: Broker, needs: Needs) -> None:
        self._needs = needs
        self._broker = broker
        self._topic = f"{BROKER_CHECK}/{broker.client_id}"
        self._asked_s = broker.kept_s
        self._came: list[Message] = []

    async def run(self) -> Fitness:
        """Waits for a broker that is away. Raises BrokerUnfit."""
        tries = TRIES
        while True:
            tries -= 1
            self._came.clear()
            # Two connections: rumqttd acknowledges nothing to a client whose own window is full.
            async with (
                connected(
                    self._broker, "hears", (self._topic,), self._needs.unacknowledged, self._came.append
                ) as hears,
                connected(self._broker, "says", (), self._needs.unacknowledged, self._came.append) as says,
            ):
                try:
                    return await self._tried(hears, says)
                except BrokerUnfit:
                    # A broker that ended in between has shown nothing, but one that hangs up each time has.
                    if not (tries and (hears.breaks or says.breaks)):
                        raise

    async def _tried(self, hears: Mqtt, says: Mqtt) -> Fitness:
        lowered = _offered(hears.offer, self._needs, self._asked_s)
        await self._largest(hears, says)
        lowered += await self._burst(hears, says)
        return Fitness(hears.offer.in_flight, tuple(lowered))

    async def _largest(self, hears: Mqtt, says: Mqtt) -> None:
        properties = ((SESSION, "s" * 128), (SEQUENCE, "9" * 16), (OFFSET, "9" * 16), (RATE, "48000"))
        says.publish(self._topic, bytes(self._needs.chunk_bytes), 1, properties)
        if not await until(lambda: bool(self._came), hears, says):
            raise BrokerUnfit(
                f"a message of {self._needs.chunk_bytes} bytes (max_chunk_bytes) does not come back through "
                f"{self._topic} within {WITHIN_S:g} s: the broker takes less, or lets us not publish and read there"
            )
        hears.acknowledge(self._came.pop())

    async def _burst(self, hears: Mqtt, says: Mqtt) -> list[str]:
        held, asked = self._needs.held, self._needs.unacknowledged
        step = min(SLICE, says.offer.in_flight)
        for start in range(0, held, step):
            for number in range(start, min(start + step, held)):
                says.publish(self._topic, str(number).encode(), 1)
            if not await until(lambda: not says.unconfirmed, hears, says):
                raise BrokerUnfit(f"the broker acknowledges no more than {start + step - says.unconfirmed} messages")
        window = done = 0
        while done < held:
            if not await until(lambda done=done: len(self._came) > done, hears, says):  # type: ignore[misc]
                raise BrokerUnfit(
                    f"of {held} messages (broker_holds) that waited for us the broker has dropped {held - done}: its "
                    "queue for a subscriber is shorter (max_queued_messages of Mosquitto)"
                )
            window = max(window, len(self._came) - done)
            hears.acknowledge(self._came[done])
            done += 1
        if window >= min(asked, held):
            return []
        return [f"the broker has {window} messages in flight to us, not {asked}: audio comes slower"]


def _offered(offer: Offer, needs: Needs, asked_s: int) -> list[str]:
    if offer.qos < 1:
        raise BrokerUnfit("the broker has QoS 0 alone, and audio needs 1")
    if not offer.wildcards:
        raise BrokerUnfit("the broker has no wildcard subscriptions, and a bridge subscribes to every device at once")
    if offer.packet_bytes < needs.chunk_bytes + HEAD_BYTES:
        raise BrokerUnfit(
            f"the broker takes packets of {offer.packet_bytes} bytes, and a chunk may have {needs.chunk_bytes} "
            f"(max_chunk_bytes) and {HEAD_BYTES} around it"
        )
    lowered = []
    if offer.kept_s is not None and offer.kept_s < asked_s:
        lowered.append(f"the broker keeps a session for {offer.kept_s} s, not {asked_s}")
    if offer.in_flight < needs.unacknowledged:
        lowered.append(f"the broker takes {offer.in_flight} messages at once, not {needs.unacknowledged}")
    return lowered
