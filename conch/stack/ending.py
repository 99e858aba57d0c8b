"""End the stack that runs in a state folder, and see that nothing of it is left."""

import signal
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.stack.processes import end_session
from conch.stack.state import StateFolder, default_root, running_stack


def stop_stack(root: Path | str | None = None, timeout_s: float = 60.0) -> int:
    """The pid it had; raises NoStack, and Unavailable where it had to be killed."""
    folder = StateFolder(root or default_root())
    status = running_stack(folder.root)
    status.supervisor.signal(signal.SIGTERM)
    if status.supervisor.wait(timeout_s):
        return status.pid
    latest = folder.read_status() or status
    status.supervisor.end()
    for service in latest.services.values():
        if service.mark is not None:
            end_session(service.mark)
    raise Unavailable(f"the stack (pid {status.pid}) did not end within {timeout_s:g} s and was killed")
