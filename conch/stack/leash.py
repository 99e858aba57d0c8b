"""Become a command that ends with its parent: `python leash.py PARENT_PID COMMAND…`.

Linux sends the signal when the *thread* that started us ends, so the parent starts us from its main thread. A program
of its own rather than a function between fork and exec: the parent has threads, and a fork keeps the locks they hold.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> list[str]:
    """What starts `command` so that it ends with us; its process id is that of what is started.

    Outside of the main thread nothing holds it: that thread's end would be its own.
    """
    if threading.current_thread() is not threading.main_thread():
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
