"""A device, and whoever hears what it is told: paho clients for tests."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.bridge.brokers import Credentials

CHUNK = 3200
"""Samples: 200 ms."""

WITHIN_S = 40.0


def speech(count: int = CHUNK, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(1, 3000, count).astype("<i2").tobytes()


def silence(count: int = CHUNK) -> bytes:
    return bytes(2 * count)


class Wearable:
    """Publishes audio, and keeps the events and the speech that come back."""

    def __init__(
        self,
        port: int,
        version: int,
        name: str,
        prefix: str = "",
        client_id: str = "",
        credentials: Credentials | None = None,
    ) -> None:
        self.topic = f"{prefix}wearable/{name}/audio"
        self.events: list[dict[str, Any]] = []
        self.speech: list[tuple[bytes, dict[str, str]]] = []
        self._prefix, self._name = prefix, name
        self._subscribed = threading.Event()
        self.breaks = 0
        """How often it was disconnected."""
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or f"{name}-{version}", protocol=version
        )
        if credentials is not None:
            self._client.tls_set(*map(str, (credentials.authorities, credentials.certificate, credentials.key)))
        self._client.on_message = self._told
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN_S)

    def publish(self, payload: bytes, **properties: object) -> None:
        """Returns when the broker has acknowledged it."""
        self.offer(payload, **properties).wait_for_publish(WITHIN_S)

    def offer(self, payload: bytes, *, retain: bool = False, **properties: object) -> paho.MQTTMessageInfo:
        told = None
        if properties:
            told = Properties(PacketTypes.PUBLISH)
            told.UserProperty = [(name, str(value)) for name, value in properties.items()]
        return self._client.publish(self.topic, payload, qos=1, retain=retain, properties=told)

    def listen_to(self, *filters: str) -> None:
        """Events and speech of others, as far as the broker gives them."""
        self._client.subscribe([(topic, 1) for topic in filters])

    def numbered(self, payload: bytes, session: str, sequence: int) -> None:
        """The chunk of this number, of chunks that are all as long."""
        self.publish(payload, session=session, seq=sequence, offset=sequence * CHUNK)

    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Any, *_: Any) -> None:
        client.subscribe([(f"{self._prefix}wearable/{self._name}/{leaf}", 1) for leaf in ("events", "speech")])

    def _disconnected(self, *_: Any) -> None:
        self.breaks += 1

    def _told(self, _client: Any, _user: Any, message: Any) -> None:
        if message.topic.endswith("/events"):
            self.events.append(json.loads(message.payload))
        else:
            properties = getattr(message.properties, "UserProperty", []) if message.properties else []
            self.speech.append((message.payload, dict(properties)))


@contextlib.contextmanager
def wearing(
    port: int,
    version: int,
    name: str,
    prefix: str = "",
    client_id: str = "",
    credentials: Credentials | None = None,
) -> Iterator[Wearable]:
    wearable = Wearable(port, version, name, prefix, client_id, credentials)
    try:
        yield wearable
    finally:
        wearable.close()


def eventually(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < ends, f"not within {WITHIN_S} s"
        time.sleep(0.02)
