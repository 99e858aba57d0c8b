"""Messages that come again, told by their bytes: for devices that do not number their chunks.

A broker sends again what it knows no acknowledgement of, before anything new, when a connection begins anew. Mosquitto
marks it; rumqttd does not. So equal bytes are a repeat where they are marked, and among the first messages of a
connection, as often as they came before it. Elsewhere equal bytes are equal audio, as silence is.
"""

import hashlib
from collections import Counter, deque
from typing import Protocol


class Delivered(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def sent_again(self) -> bool:
        """By the broker's own mark."""

    @property
    def connection(self) -> int: ...


class Repeats:
    def __init__(self, most: int) -> None:
        """`most`: messages that a broker may have sent, and know no acknowledgement of."""
        self._known: deque[bytes] = deque(maxlen=most)
        self._connection: int | None = None
        self._due: Counter[bytes] = Counter()
        self._look = 0  # messages of this connection that may be repeats without a mark

    def is_again(self, message: Delivered) -> bool:
        """Whether it came before; it is not remembered by this."""
        if message.connection != self._connection:
            self._connection = message.connection
            self._due, self._look = Counter(self._known), len(self._known)
        digest = _digest(message.topic, message.payload)
        return self._due[digest] > 0 or (message.sent_again and digest in self._known)

    def heard(self, message: Delivered) -> None:
        """It has been dealt with, and may come again."""
        if not self.is_again(message):
            self.restore(message.topic, message.payload)
        if self._look:
            self._look -= 1
            self._due[_digest(message.topic, message.payload)] -= 1
            if not self._look:
                self._due.clear()

    def restore(self, topic: str, payload: bytes) -> None:
        """It was dealt with before this bridge was started."""
        self._known.append(_digest(topic, payload))


def _digest(topic: str, payload: bytes) -> bytes:
    return hashlib.blake2b(
        payload, digest_size=16, key=hashlib.blake2b(topic.encode(), digest_size=16).digest()
    ).digest()
