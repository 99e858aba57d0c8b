"""Where a gateway listens, and how several processes come to share a port."""

import socket
from dataclasses import dataclass

from conch.contracts.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Addresses:
    """Each as host:port."""

    grpc: str
    http: str


def bound(address: str, *, share_port: bool) -> socket.socket:
    """A socket that does not listen yet. Raises Unavailable where the address is taken."""
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only on sockets that name their protocol: without it, an answer's body waits
    # 40 ms for the acknowledgement of its head.
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share_port:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        one.bind((host, port))
    except OSError as error:
        one.close()
        raise Unavailable(f"{address} cannot be listened at: {error.strerror}") from None
    return one


def address_of(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
