"""`conch status`: what runs, and where."""

from typing import Annotated

import typer
from rich.table import Table

from conch.cli.connection import State, needing_a_stack
from conch.cli.console import out, print_json, reporting_errors
from conch.stack.state import ServiceState, running_stack

_STYLES = {ServiceState.READY: "green", ServiceState.FAILED: "red"}


def status(
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object: ready, pid, services.")] = False,
) -> None:
    """Which services run, whether they are ready, and their addresses; exits 3 where no stack runs."""
    with reporting_errors(), needing_a_stack():
        stack = running_stack(state)
        if as_json:
            print_json(stack.to_json())
            return
        table = Table("service", "state", "pid", "addresses")
        for name, service in stack.services.items():
            addresses = "  ".join(f"{face} {address}" for face, address in service.addresses.items())
            style = _STYLES.get(service.state, "yellow")
            table.add_row(name, f"[{style}]{service.state}[/]", str(service.pid or "-"), addresses)
        out.print(table)
        out.print(f"the stack is {'ready' if stack.ready else 'not ready'} (pid {stack.pid})")
