"""Durable relations that are being opened while requests come already: a store that is away at the start is away.

The driver of CQL takes half a second to import, a file may be locked, nodes may be down: nobody who asks pays for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from conch.contracts.errors import Unavailable
from conch.stores.relations import Relations

AGAIN_S = 1.0
"""Between two tries to open them."""

FIRST_S = 1.0
"""How long a call waits that has no time of its own."""

logger = logging.getLogger(__name__)


class LateRelations:
    """What is read of them (reading.DurableBlobs)."""

    def __init__(self, opens: Callable[[], Relations], again_s: float = AGAIN_S) -> None:
        self._opens, self._again_s = opens, again_s
        self._relations: Relations | None = None
        self._opened, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._open, name="opens relations", daemon=True)

    def begin(self) -> None:
        """Opens them, and does not wait for it."""
        self._thread.start()

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        """Waits for them to be open as long as the caller has time. Raises Unavailable."""
        if self._relations is not None:
            return self._relations.read(keys, within_s)
        most_s = FIRST_S if within_s is None else within_s
        ends = time.monotonic() + most_s
        self._opened.wait(most_s)
        if self._relations is None:
            raise Unavailable(f"durable relations are not open within {most_s:.3f} s; it is tried further")
        return self._relations.read(keys, max(ends - time.monotonic(), 0.0))

    def close(self, timeout_s: float = 2.0) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._relations is not None:
            self._relations.close()

    def _open(self) -> None:
        told = False
        while not self._ending.is_set():
            try:
                self._relations = self._opens()
            except Unavailable as error:
                if not told:
                    logger.warning("%s; it is tried each %.0f s", error.message, self._again_s)
                told = True
                self._ending.wait(self._again_s)
                continue
            except Exception:
                # An edge: without the thread nobody would try again.
                logger.exception("durable relations cannot be opened")
                self._ending.wait(self._again_s)
                continue
            self._opened.set()
            return
