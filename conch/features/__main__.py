"""Keep the features of every catalogue of a host, until SIGTERM:

    python -m conch.features CATALOGUES REDIS HEARTBEAT

CATALOGUES is a folder, REDIS is host:port, HEARTBEAT a file that is written about once a second. One process a host:
the folder's lease lets no second one publish, but both would pack what is touched.
"""

import argparse
import logging
import os
import signal
import threading
import time
from pathlib import Path

from conch.features.service import Service

BEAT_S = 1.0


class Heartbeat:
    """A file with our pid: the supervisor looks at its age."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = float("-inf")

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._at >= BEAT_S:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(f"{os.getpid()}\n")
            self._at = now


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogues", type=Path)
    parser.add_argument("redis")
    parser.add_argument("heartbeat", type=Path)
    asked = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    service = Service(asked.catalogues, asked.redis, Heartbeat(asked.heartbeat), stop.wait)
    try:
        service.run(stop.is_set)
    finally:
        service.close()


if __name__ == "__main__":
    main()
