"""`conch up`: start the stack, here with its log on the screen, or in the background."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from conch.cli.connection import State
from conch.cli.console import FAILED, err, reporting_errors
from conch.contracts.errors import InvalidRequest
from conch.edge.settings import Address, Exposed
from conch.stack.daemon import EXPOSED, Order
from conch.stack.detached import NotStarted, start_detached
from conch.stack.foreground import run_stack
from conch.stack.logs import watching_console
from conch.stack.service import StackSettings
from conch.stack.services.llm import Llm
from conch.stack.services.registry import chosen
from conch.stack.state import StackStatus, StateFolder, default_root
from conch.stores.cql_servers import CqlServers
from conch.tracing import ENDPOINT_VARIABLE

_PORT = re.compile(r"(\w+\.\w+)=(\d{1,5})")


def up(
    state: State = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when the stack is ready.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE,…", help="These services, and what they need; default: all."),
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="FACE=PORT", help="As gateway.http=8020; 0: any free port. May be repeated."),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Serve the models as their configs/gpu.pbtxt says.")] = False,
    with_llm: Annotated[
        bool, typer.Option("--with-llm", help="Start a small LLM too, which the bridge asks what is no command.")
    ] = False,
    otlp: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", envvar=ENDPOINT_VARIABLE, help="Send traces there, by OTLP over gRPC."),
    ] = "",
    otlp_http: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Triton's own spans too; it speaks OTLP over HTTP alone.")
    ] = "",
    traced: Annotated[float, typer.Option(metavar="PERCENT", min=0, max=100, help="Of calls, with --otlp.")] = 100.0,
) -> None:
    """Start Redis, the event log, the MQTT broker, Triton, rollout, edge, gateway and bridge, and keep them running."""
    with reporting_errors(), _refusing_to_be_exposed():
        names = [name for word in only or () for name in word.split(",") if name]
        besides = (Llm.name,) if with_llm else ()
        services = chosen(names, besides)
        ports = dict(_asked_port(word) for word in port or ())
        # Every service reads it by itself, where its mistakes would be found late.
        CqlServers.of_environment(os.environ)
        folder = StateFolder(state or default_root())
        settings = StackSettings(gpu, _collector(otlp), _collector(otlp_http), traced)
        if detach:
            order = Order(str(folder.root), tuple(names), ports, settings, besides)
            try:
                with err.status("starting") as progress:
                    status = start_detached(order, lambda now: progress.update(_described(now)))
            except NotStarted as error:
                err.print(error.message, markup=False, soft_wrap=True)
                raise typer.Exit(FAILED) from None
            err.print(f"ready (pid {status.pid}): {_addresses(status)}", markup=False, soft_wrap=True)
            return
        run_stack(folder, services, settings=settings, ports=ports, console=watching_console())


@contextmanager
def _refusing_to_be_exposed() -> Iterator[None]:
    try:
        yield
    except Exposed as error:
        err.print(error.message, markup=False, soft_wrap=True)
        raise typer.Exit(EXPOSED) from None


def _asked_port(word: str) -> tuple[str, int]:
    match = _PORT.fullmatch(word)
    if match is None or int(match[2]) > 65535:
        raise InvalidRequest(f"--port {word!r} is not SERVICE.FACE=NUMBER, as in gateway.http=8020")
    return match[1], int(match[2])


def _collector(word: str) -> str:
    """host:port of what is given as that or as http://host:port; empty for nothing."""
    return str(Address.parse(word.removeprefix("http://").rstrip("/"))) if word else ""


def _described(status: StackStatus) -> str:
    services = ", ".join(f"{name} {service.state}" for name, service in status.services.items())
    return f"starting: {services or 'checking weights'}"


def _addresses(status: StackStatus) -> str:
    return ", ".join(
        f"{name} {' '.join(f'{face}={address}' for face, address in service.addresses.items())}"
        for name, service in status.services.items()
    )
