"""What a channel of the hot store has told since somebody asked last: a thread listens, so that no batch waits for it.

The thread has a connection of its own. It also says what the models have to say, for the same reason.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from conch.contracts.errors import Unavailable
from conch.stores.features import BREAK, HotFeatures

logger = logging.getLogger(__name__)

MOST = 10_000
"""Messages that are held for the next batch, and messages that wait to be said."""

WAIT_S = 0.25
"""For a message; what is to be said waits as long at most. Also between two attempts to listen."""


@dataclass(frozen=True, slots=True)
class Heard:
    messages: frozenset[str]
    lost: bool
    """There were more than MOST, or nobody listened for a while: what is remembered may be old."""


NOTHING = Heard(frozenset(), lost=False)


class Changes:
    """Of one channel. More than MOST messages between two looks are as good as none: `lost` says so."""

    def __init__(self, channel: str, connect: Callable[[], HotFeatures]) -> None:
        """`connect` opens what the thread listens on, and is called in it."""
        self._channel = channel
        self._connect = connect
        self._lock = threading.Lock()
        self._heard: set[str] = set()
        self._lost = False
        self._unsaid: dict[str, set[str]] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listens to {channel}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        self._ending.set()
        self._thread.join(timeout_s)

    def take(self) -> Heard:
        if not self._heard and not self._lost:
            return NOTHING
        with self._lock:
            heard = Heard(frozenset(self._heard), self._lost)
            self._heard, self._lost = set(), False
        return heard

    def say(self, channel: str, messages: Iterable[str]) -> None:
        """Soon. What is beyond MOST is left unsaid, and so is what a broken connection swallows."""
        with self._lock:
            unsaid = self._unsaid.setdefault(channel, set())
            for message in messages:
                if len(unsaid) >= MOST:
                    return
                unsaid.add(message)

    def _run(self) -> None:
        while not self._ending.is_set():
            hot = self._connect()
            try:
                self._listen(hot)
            except Unavailable:
                self._lose()
                self._ending.wait(WAIT_S)
            except Exception:
                # Not listening would leave old relations in place for ever.
                logger.exception("listening to %s failed", self._channel)
                self._lose()
                self._ending.wait(WAIT_S)
            finally:
                hot.close()

    def _listen(self, hot: HotFeatures) -> None:
        for message in hot.messages([self._channel], WAIT_S):
            if self._ending.is_set():
                return
            if message == BREAK:
                self._lose()
            elif message[0]:
                self._note(message[1])
            else:
                self._speak(hot)

    def _note(self, message: str) -> None:
        with self._lock:
            if len(self._heard) < MOST:
                self._heard.add(message)
                return
        self._lose()

    def _lose(self) -> None:
        with self._lock:
            self._heard, self._lost = set(), True

    def _speak(self, hot: HotFeatures) -> None:
        with self._lock:
            unsaid, self._unsaid = self._unsaid, {}
        for channel, messages in unsaid.items():
            hot.publish(channel, sorted(messages))
