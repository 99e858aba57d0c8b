"""Several gateway processes at one pair of ports; a dead one is replaced, and none outlives the first.

They are forked before anything is imported that starts threads (gRPC, numpy): a fork keeps none of them.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from gateway.addresses import address_of, bound
from gateway.settings import Settings

logger = logging.getLogger(__name__)

MOST_DEATHS = 5
"""Within DEATHS_WITHIN_S they end the gateway: whoever supervises it shall know."""

DEATHS_WITHIN_S = 60.0

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_PR_SET_PDEATHSIG = 1

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Processes:
    """`work` runs one process to its end and returns its exit code."""

    def __init__(self, settings: Settings, work: Callable[[Settings], int]) -> None:
        self._settings = settings
        self._work = work
        self._running: set[int] = set()
        self._stopping = False
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    def run(self) -> int:
        """Until SIGTERM or SIGINT has been passed on and every process has drained: 0; 1 if they kept dying."""
        # Bound and not listening, these two take no connections: they keep the ports ours, whoever restarts.
        grpc, http = self._reserved(self._settings.grpc_address), self._reserved(self._settings.http_address)
        addresses = {"grpc_address": address_of(grpc), "http_address": address_of(http)}
        self._settings = self._settings.model_copy(update=addresses)
        with grpc, http, _metrics_folder(self._settings.metrics_folder) as folder:
            os.environ[METRICS_FOLDER] = str(folder)
            for number in _STOPPING:
                signal.signal(number, self._stop)
            for _ in range(self._settings.processes):
                self._start()
            return self._supervise()

    def _supervise(self) -> int:
        code = 0
        while self._running:
            pid, status = os.wait()
            self._running.discard(pid)
            _forget_gauges(pid)
            if self._stopping:
                continue
            logger.error("gateway process %d ended with %d", pid, os.waitstatus_to_exitcode(status))
            if self._dies_too_often():
                logger.error("%d processes ended within %.0f s: giving up", MOST_DEATHS, DEATHS_WITHIN_S)
                code = 1
                self._stop(signal.SIGTERM, None)
            else:
                self._start()
        return code

    def _dies_too_often(self) -> bool:
        self._deaths.append(time.monotonic())
        return len(self._deaths) == MOST_DEATHS and self._deaths[-1] - self._deaths[0] < DEATHS_WITHIN_S

    def _start(self) -> None:
        # Blocked, or a signal might find a child that still has the parent's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._child(parent)
        self._running.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)

    def _child(self, parent: int) -> None:
        code = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            for number in _STOPPING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            # The parent may have ended before we asked to be told.
            code = self._work(self._settings) if os.getppid() == parent else 0
        finally:
            os._exit(code)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)

    @staticmethod
    def _reserved(address: str) -> socket.socket:
        # Without sharing first: what another program holds is refused, even if it would share.
        bound(address, share_port=False).close()
        return bound(address, share_port=True)


def _forget_gauges(pid: int) -> None:
    """What a process said of its present; its counts stay."""
    # Imported when it is needed: it looks for the folder while it is being imported.
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _metrics_folder(path: str) -> Iterator[Path]:
    if not path:
        with tempfile.TemporaryDirectory(prefix="conch-gateway-metrics-") as folder:
            yield Path(folder)
        return
    kept = Path(path)
    kept.mkdir(parents=True, exist_ok=True)
    # Of a gateway that was killed: it counts no longer.
    for left in kept.glob("*.db"):
        left.unlink()
    yield kept
