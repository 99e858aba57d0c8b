"""`conch down`: end the stack and wait until nothing of it is left."""

from conch.cli.connection import State, needing_a_stack
from conch.cli.console import err, reporting_errors
from conch.stack.ending import stop_stack


def down(state: State = None) -> None:
    """End the running stack: calls under way are answered first; exits 3 where no stack runs."""
    with reporting_errors(), needing_a_stack():
        with err.status("stopping"):
            pid = stop_stack(state)
        err.print(f"stopped (pid {pid})")
