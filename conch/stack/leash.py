"""Become a command that ends with its parent: `python leash.py PARENT_PID COMMAND…`.

Linux sends the signal when the *thread* that started us ends, so the parent starts us from its main thread. A program
of its own rather than a function between fork and exec: the parent has threads, and a fork keeps the locks they hold.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


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
