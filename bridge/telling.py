"""What devices are told: events and speech, published and counted."""

from collections.abc import Callable

from bridge import events
from bridge.counting import Counting
from bridge.events import Told
from bridge.speech import Speech
from bridge.wearer import Wearer
from conch.contracts.topics import DeviceId

Publish = Callable[..., None]


class Telling:
    def __init__(self, publish: Publish, counting: Counting) -> None:
        """`publish` takes a topic, bytes, QoS and user properties."""
        self._publish = publish
        self._counting = counting

    def tell(self, device: DeviceId, session: str, told: Told) -> None:
        self._publish(device.events, told.encode(session), 0 if told.name == "partial" else 1)
        self._counting.told(device.tenant, told.name)

    def say(self, wearer: Wearer, speech: Speech) -> None:
        if speech.sequence == 0:
            self.tell(wearer.device, wearer.session, events.speech(speech))
        properties = speech.properties if wearer.numbered else ()
        self._publish(wearer.device.speech, speech.pcm16, 1, properties)
