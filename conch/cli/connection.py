"""Find the running stack's gateway for a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from conch.cli.console import NO_STACK, err, reporting_errors
from conch.clients.gateway import GatewayClient
from conch.contracts.errors import Unavailable
from conch.stack.state import NoStack, running_stack

State = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="The stack's state folder.", envvar="CONCH_STATE", show_default=False),
]


@contextmanager
def connected(state: Path | None) -> Iterator[GatewayClient]:
    """A client of the stack in `state`; exits 3 where none runs and 1 on any of our errors."""
    with reporting_errors():
        try:
            stack = running_stack(state)
        except NoStack as error:
            err.print(error.message, markup=False, soft_wrap=True)
            raise typer.Exit(NO_STACK) from None
        if "gateway" not in stack.services:
            raise Unavailable("the stack runs without a gateway; start it without --only, or with --only gateway")
        with GatewayClient(stack.services["gateway"].addresses["grpc"]) as client:
            yield client
