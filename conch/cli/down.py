"""`conch down`: end the stack and wait until nothing of it is left."""

import typer

from conch.cli.connection import State
from conch.cli.console import NO_STACK, err, reporting_errors
from conch.stack.ending import stop_stack
from conch.stack.state import NoStack


def down(state: State = None) -> None:
    """End the running stack: calls under way are answered first; exits 3 where no stack runs."""
    with reporting_errors():
        try:
            with err.status("stopping"):
                pid = stop_stack(state)
        except NoStack as error:
            err.print(error.message, markup=False, soft_wrap=True)
            raise typer.Exit(NO_STACK) from None
        err.print(f"stopped (pid {pid})")
