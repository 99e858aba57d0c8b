"""What the edge is told about its place: where it listens, whom it fronts, how much it lets in."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from conch.contracts.errors import InvalidRequest

MIB = 2**20


class Exposed(InvalidRequest):
    """Starting would open to other machines what must stay closed."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """ "host:port"; an IPv6 host stands in brackets."""
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isdecimal() and 0 < int(port) < 2**16):
            raise InvalidRequest(f"{text!r} is not an address: host:port is")
        return cls(host.strip("[]"), int(port))

    @property
    def is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def is_loopback(self) -> bool:
        """Of an address, not of a name: what a name means may change."""
        return self.is_ip and ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the edge listens."""

    grpc: Address
    http: Address
    metrics: Address
    internal: Address
    """Triton for the gateway and the gateway's voice for bridges, on loopback always: it asks for no key."""

    @property
    def is_public(self) -> bool:
        return not all(address.is_loopback for address in (self.grpc, self.http, self.metrics))


@dataclass(frozen=True, slots=True)
class TritonServer:
    grpc: Address
    http: Address
    metrics: Address


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Whom the edge fronts. Names are resolved again and again, and may stand for several servers."""

    tritons: Sequence[TritonServer]
    gateway_grpc: Address | None
    """None, here and below, where no gateway runs: its calls are unavailable."""
    gateway_http: Address | None
    metrics: Address | None = None
    """The gateway's HTTP, which answers /metrics of the metrics port for everybody; None: /metrics is Triton's."""
    pings: bool = False
    """Ask Triton over HTTP/2 whether it is there while calls wait for it. It must allow that, or it hangs up:
    --grpc-http2-max-ping-strikes=0."""
    otlp: Address | None = None
    """Where spans go, over gRPC; None sends none."""
    models: Address | None = None
    """Where conch.models.v1.Models is served, over gRPC; None where nobody does."""


@dataclass(frozen=True, slots=True)
class Tls:
    certificate: Path
    """PEM, with its chain. It and the key are read again when either is renamed into place."""
    key: Path
    client_ca: Path | None = None
    """Callers show a certificate that one of these signed; None asks for none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the whole edge; a tenant's own stand in its entry of the tenants file."""

    max_request_bytes: int = 72 * MIB
    """Of one inference request: a 64-MiB tensor and what stands around it."""
    max_heap_bytes: int = 2048 * MIB
    """Of the edge's process: near it, calls are refused, the largest first."""
    max_connections: int = 4096
    max_streams: int = 256
    """Calls at once on one connection."""
    max_calls: int = 1024
    """Calls at once that wait for Triton or for the gateway, on each of their faces; the next one is refused. What the
    gateway asks Triton for does not count."""
    headers_within_s: float = 10.0
    request_within_s: float = 300.0
    """In which a request has arrived, and of a stream that its caller keeps open the first answer."""


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    listening: Listening
    upstreams: Upstreams
    tls: Tls | None = None
    limits: Limits = field(default_factory=Limits)
    plain_text: bool = False
    """Other machines may be served without TLS: something in front of the edge ends it."""
    workers: int = 2
    """Threads that serve calls."""
    traced_percent: float = 100.0
    """Of all calls, chosen by chance, where `upstreams.otlp` takes spans; the choice goes along with each call."""
    log_every_call: bool = False
    """Otherwise a line for each that failed."""

    def check(self, *, has_keys: bool) -> None:
        """Raises Exposed, or InvalidRequest where there is nothing to front."""
        internal = self.listening.internal
        if not internal.is_loopback:
            raise Exposed(f"the internal listener asks for no key, so it cannot listen on {internal}")
        if self.listening.is_public and not has_keys:
            raise Exposed(f"{self._opened()}, and there is no key: conch keys create")
        if self.listening.is_public and self.tls is None and not self.plain_text:
            raise Exposed(f"{self._opened()}, and keys would travel readable: name a certificate, or say plain_text")
        if not self.upstreams.tritons:
            raise InvalidRequest("the edge fronts no Triton")

    def _opened(self) -> str:
        faces = {"gRPC": self.listening.grpc, "HTTP": self.listening.http, "metrics": self.listening.metrics}
        public = [f"{face} on {address}" for face, address in faces.items() if not address.is_loopback]
        return f"{' and '.join(public)} would be open to other machines"
