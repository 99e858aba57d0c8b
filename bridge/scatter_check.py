"""Whether a broker gives all of a device's messages to one of the bridges that share a subscription.

Plain $share deals messages out in turn, as MQTT 5 lets it: a device's chunks would reach bridges that know nothing of
each other. A broker that hashes by topic, as EMQX with `hash_topic` does, is fit.
"""

from collections import defaultdict

from bridge.mqtt import Broker, Message
from bridge.trial import BrokerUnfit, connected, until
from conch.contracts.topics import BROKER_CHECK

TOPICS = 4
EACH = 8
"""By chance alone, two members split these of one topic in all but one of 128 cases; and of all four surely."""


class ScatterCheck:
    """With two members of a group of our own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._topic = f"{BROKER_CHECK}/{broker.client_id}"

    async def run(self) -> None:
        """Raises BrokerUnfit."""
        members: dict[str, set[str]] = defaultdict(set)
        came = 0

        def note(member: str, message: Message) -> None:
            nonlocal came
            came += 1
            members[message.topic].add(member)

        filters = (f"$share/{self._broker.client_id}-check/{self._topic}/+",)
        window = TOPICS * EACH
        async with (
            connected(self._broker, "one", filters, window, lambda message: note("one", message)) as one,
            connected(self._broker, "two", filters, window, lambda message: note("two", message)) as two,
            connected(self._broker, "says", (), window, lambda message: None) as says,
        ):
            for number in range(TOPICS * EACH):
                # Topic after topic: in turns, topics and members would keep step.
                says.publish(f"{self._topic}/{number // EACH}", b"-", 1)
            everything = await until(lambda: came == TOPICS * EACH, one, two, says)
        scattered = sum(len(heard) > 1 for heard in members.values())
        if scattered:
            raise BrokerUnfit(
                f"the broker deals the messages of one topic out to several members of a group ({scattered} topics of "
                f"{TOPICS}): with shared_group a device's audio would be scattered. Share by share_count instead"
            )
        if not everything:
            raise BrokerUnfit(f"of {TOPICS * EACH} messages to a group of two {came} came: shared_group needs all")
