"""Start a stack that outlives this process, and wait until it is ready."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.edge.settings import Exposed
from conch.stack.daemon import EXPOSED, Order
from conch.stack.state import StackStatus, StateFolder

POLL_S = 0.05
_LAST_WORDS = "up.log"
"""In logs/: what the supervisor says on its stderr, which is why it ended."""


class NotStarted(Unavailable):
    """The stack ended before it was ready; the message is the supervisor's own."""


def start_detached(order: Order, on_status: Callable[[StackStatus], None]) -> StackStatus:
    """A supervisor in a session of its own; returns when the stack is ready.

    Raises AlreadyRunning, Exposed or NotStarted. Interrupted while it waits, by SIGINT or SIGTERM, it ends the stack
    too.
    """
    folder = StateFolder(order.root)
    folder.hold().release()  # says who runs here already
    words = folder.logs / _LAST_WORDS
    with words.open("wb") as output:
        supervisor = subprocess.Popen(
            # -P: a module of the current folder must not pass for ours.
            [sys.executable, "-P", "-m", "conch.stack.daemon", order.encode()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _await_ready(folder, supervisor, words, on_status)
    except BaseException:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _await_ready(
    folder: StateFolder, supervisor: subprocess.Popen[bytes], words: Path, on_status: Callable[[StackStatus], None]
) -> StackStatus:
    # No deadline of its own: every service has one, and five failures of any end the stack.
    while supervisor.poll() is None:
        status = folder.read_status()
        if status is not None and status.pid == supervisor.pid:
            on_status(status)
            if status.ready:
                return status
        time.sleep(POLL_S)
    said = words.read_text(errors="replace").strip()
    if supervisor.returncode == EXPOSED:
        raise Exposed(said)
    raise NotStarted(said or f"the supervisor ended with {supervisor.returncode} before the stack was ready")
