"""The whole front on loopback, Triton with some of our models, gateway and edge: for tests and benchmarks.

Without what `conch up` adds: nothing is supervised, and nothing is kept.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import RunningEdge, fronting
from conch.stack.leash import leashed
from conch.stack.repository import WeightFiles
from conch.stack.serving import NOTHING, free_ports, serving
from conch.stack.triton import HOST
from conch.stack.turns import turns
from conch.tracing import collector
from conch.weights.cache import verified_weights

_LISTENING = re.compile(r"listening grpc=(\S+) http=(\S+)")


@dataclass(frozen=True, slots=True)
class Front:
    edge: RunningEdge
    triton_log: Path
    gateway_log: Path

    @property
    def grpc(self) -> str:
        return str(self.edge.edge.settings.listening.grpc)

    @property
    def http(self) -> str:
        return str(self.edge.edge.settings.listening.http)

    @property
    def metrics(self) -> str:
        return str(self.edge.edge.settings.listening.metrics)

    def key(self, tenant: str) -> str:
        """A new API key; from the first one on nobody is served without."""
        return self.edge.edge.keys.create(tenant)[1]


@contextlib.contextmanager
def fronted(
    folder: Path,
    names: Collection[str],
    *,
    tenants: str = "",
    ready_s: float = 120.0,
    otlp: str = "",
    otlp_http: str = "",
    weights: WeightFiles | None = None,
    gateway: Mapping[str, str] = NOTHING,
    models: Mapping[str, str] = NOTHING,
) -> Iterator[Front]:
    """`names` of models and ensembles; `tenants` is a tenants file's text; `otlp` as of a StackSettings; `weights` in
    place of those that models.toml names; `gateway` are settings of it, as LISTEN_SILENCE_S; `models` is said in the
    environment of models."""
    weights = verified_weights(names) if weights is None else weights
    with contextlib.ExitStack() as running:
        triton = running.enter_context(
            serving(
                folder / "triton",
                names,
                weights,
                environment={**collector(otlp), **models},
                otlp_http=otlp_http,
                ready_s=ready_s,
            )
        )
        listening = Listening(*(Address(HOST, port) for port in free_ports(4)))
        settings = {
            "TRITON_ADDRESS": str(listening.internal),
            "SCRAPE_TRITONS": json.dumps([triton.metrics]),
            "SCRAPE_EDGE": str(listening.internal),
            **gateway,
        }
        log = folder / "gateway.log"
        grpc, http = running.enter_context(_gateway(log, settings, collector(otlp), ready_s))
        server = TritonServer(*(Address.parse(one) for one in (triton.grpc, triton.http, triton.metrics)))
        spans = Address.parse(otlp) if otlp else None
        upstreams = Upstreams([server], grpc, http, metrics=http, pings=True, otlp=spans)
        edge = Edge(EdgeSettings(listening, upstreams, workers=1), folder / "edge", folder / "tenants.toml")
        edge.tenants_file.write_text(tenants)
        yield Front(running.enter_context(fronting(edge, ready_s=ready_s)), triton.log, log)


@contextlib.contextmanager
def _gateway(
    log: Path, settings: Mapping[str, str], environment: Mapping[str, str], ready_s: float
) -> Iterator[tuple[Address, Address]]:
    settings = {"GRPC_ADDRESS": f"{HOST}:0", "HTTP_ADDRESS": f"{HOST}:0", **settings}
    own = {f"CONCH_GATEWAY_{name}": value for name, value in settings.items()}
    environment = {**os.environ, **turns(), **own, **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(leashed([sys.executable, "-P", "-m", "gateway"]), env=environment, stderr=output)
    try:
        yield _await_addresses(process, log, ready_s)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_addresses(process: subprocess.Popen[bytes], log: Path, ready_s: float) -> tuple[Address, Address]:
    deadline = time.monotonic() + ready_s
    while (told := _LISTENING.search(log.read_text(errors="replace"))) is None:
        if process.poll() is not None:
            raise Unavailable(f"the gateway ended with {process.returncode}:\n{log.read_text(errors='replace')}")
        if time.monotonic() > deadline:
            raise Unavailable(f"the gateway does not listen after {ready_s} s:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)
    return Address.parse(told[1]), Address.parse(told[2])
