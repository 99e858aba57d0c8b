"""Find the running stack for a command."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from conch.cli.console import NO_STACK, err, reporting_errors
from conch.clients.edge import Client
from conch.contracts.errors import Unauthenticated, Unavailable
from conch.edge.exposure import Exposure
from conch.edge.settings import Address
from conch.stack.service import HOST
from conch.stack.state import NoStack, StackStatus, StateFolder, default_root, running_stack

State = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="The stack's state folder.", envvar="CONCH_STATE", show_default=False),
]
Key = Annotated[
    str,
    typer.Option(
        "--key", metavar="KEY", help="As conch keys create prints it.", envvar="CONCH_API_KEY", show_default=False
    ),
]


@contextmanager
def needing_a_stack() -> Iterator[None]:
    """Exits 3 where none runs."""
    try:
        yield
    except NoStack as error:
        err.print(error.message, markup=False, soft_wrap=True)
        raise typer.Exit(NO_STACK) from None


@contextmanager
def connected(state: Path | None, key: str = "") -> Iterator[Client]:
    """A client of the stack in `state`, through its edge; exits 3 where none runs and 1 on any of our errors."""
    with reporting_errors(), needing_a_stack():
        stack = running_stack(state)
        if "gateway" not in stack.services:
            raise Unavailable("the stack runs without a gateway; start it without --only, or with --only gateway")
        with Client(_address(stack, StateFolder(state or default_root())), api_key=key) as client:
            try:
                yield client
            except Unauthenticated as error:
                raise Unauthenticated(f"{error.message}; give a key by --key or in CONCH_API_KEY") from None


def tensors_address(state: Path | None) -> str:
    """Where KServe's gRPC calls go: the edge's, and Triton's own where the edge speaks TLS."""
    stack, folder = running_stack(state), StateFolder(state or default_root())
    if Exposure.read(folder.root / "edge.toml").tls is not None:
        return stack.services["triton"].addresses["grpc"]
    return _on_this_machine(stack.services["edge"].addresses["grpc"])


def _address(stack: StackStatus, folder: StateFolder) -> str:
    """The edge's; the gateway's own where the edge speaks TLS: its certificate is for the names that others know."""
    if Exposure.read(folder.root / "edge.toml").tls is not None:
        return stack.services["gateway"].addresses["grpc"]
    return _on_this_machine(stack.services["edge"].addresses["grpc"])


def _on_this_machine(text: str) -> str:
    """Where it listens everywhere, it listens here too."""
    edge = Address.parse(text)
    return str(Address(HOST, edge.port)) if ipaddress.ip_address(edge.host).is_unspecified else str(edge)
