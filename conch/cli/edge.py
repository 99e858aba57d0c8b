"""`conch edge render`: what Envoy reads, for an edge that something else starts, such as Compose or Kubernetes."""

from typing import Annotated

import typer

from conch.cli.connection import State
from conch.cli.console import out, reporting_errors
from conch.contracts.errors import InvalidRequest
from conch.edge.edge import Edge
from conch.edge.exposure import LOOPBACK, Exposure
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.services.envoy import Envoy
from conch.stack.state import StateFolder, default_root

edge_app = typer.Typer(help="The edge, where the stack is not what starts it.", no_args_is_help=True)


@edge_app.callback()
def edge() -> None:
    """The edge, where the stack is not what starts it."""


@edge_app.command("render")
def render(
    triton: Annotated[
        list[str], typer.Option(metavar="GRPC,HTTP,METRICS", help="As triton:8001,triton:8000,triton:8002; repeat it.")
    ],
    gateway: Annotated[str, typer.Option(metavar="GRPC,HTTP", help="As gateway:8021,gateway:8020.")],
    pings: Annotated[
        bool, typer.Option("--pings", help="Each Triton was started with --grpc-http2-max-ping-strikes=0.")
    ] = False,
    otlp: Annotated[str, typer.Option(metavar="ADDRESS", help="Where spans go, over gRPC.")] = "",
    models: Annotated[str, typer.Option(metavar="ADDRESS", help="Where the rollout process serves Models.")] = "",
    state: State = None,
) -> None:
    """Write Envoy's files and print their folder: envoy --config-path FOLDER/envoy.yaml.

    Keys, tenants.toml and edge.toml are those of the state folder. Again after a change of tenants.toml; an edge that
    runs takes it up, and a changed key at once.
    """
    with reporting_errors():
        folder = StateFolder(state or default_root())
        # A stack that runs writes the same files.
        folder.hold().release()
        exposure = Exposure.read(folder.root / "edge.toml")
        grpc, http = _addresses(gateway, 2)
        upstreams = Upstreams(
            [TritonServer(*_addresses(one, 3)) for one in triton],
            grpc,
            http,
            metrics=http,
            pings=pings,
            otlp=Address.parse(otlp) if otlp else None,
            models=Address.parse(models) if models else None,
        )
        settings = EdgeSettings(_listening(exposure), upstreams, exposure.tls, plain_text=exposure.plain_text)
        one = Edge(settings, folder.data / Envoy.name, folder.root / "tenants.toml")
        one.prepare()
    out.print(one.files.root, soft_wrap=True)


def _addresses(text: str, count: int) -> list[Address]:
    addresses = [Address.parse(word) for word in text.split(",")]
    if len(addresses) != count:
        raise InvalidRequest(f"{text!r} has {len(addresses)} addresses, {count} are needed")
    return addresses


def _listening(exposure: Exposure) -> Listening:
    """On the ports that the stack prefers."""
    hosts = {"grpc": exposure.listen, "http": exposure.listen, "metrics": exposure.listen_metrics}
    return Listening(*(Address(hosts.get(face, LOOPBACK), port) for face, port in Envoy.ports.items()))
