"""Who sends teams: hears team/summon at the broker."""

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Desk:
    def __init__(self, port: int) -> None:
        self.summons: list[dict[str, Any]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="desk", protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("team/summon", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = lambda _client, _user, message: self.summons.append(json.loads(message.payload))
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def is_open(self) -> bool:
        return self._subscribed.is_set()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def open_at(port: int) -> Iterator[Desk]:
    desk = Desk(port)
    try:
        yield desk
    finally:
        desk.close()
