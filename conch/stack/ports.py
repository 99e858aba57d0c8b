"""Choose a stack's ports and keep them: the preferred one where it is free, otherwise one the system chooses.

A port is kept in two ways as long as the supervisor lives. A bound socket that never listens stops the kernel from
giving the port to anybody; a server that sets SO_REUSEADDR, as all of ours do, may still listen there. An abstract
socket of the port's name stops a second stack, which could otherwise bind beside us: gRPC servers share a port without
a word.
"""

import errno
import logging
import socket
from collections.abc import Mapping
from typing import Self

import psutil

from conch.contracts.errors import ConchError, InvalidRequest
from conch.stack.service import HOST

logger = logging.getLogger(__name__)

NO_HOSTS: Mapping[str, Mapping[str, str]] = {}


class PortTaken(ConchError):
    """A port that was asked for by number cannot be had."""


class Ports:
    """`asked` maps "service.face" to the port somebody insists on; 0 leaves the choice to the system."""

    def __init__(self, asked: Mapping[str, int] | None = None) -> None:
        self._asked = dict(asked or {})
        self._held: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._held:
            held.close()
        self._held.clear()

    def take_all(
        self, preferred: Mapping[str, Mapping[str, int]], hosts: Mapping[str, Mapping[str, str]] = NO_HOSTS
    ) -> dict[str, dict[str, str]]:
        """Addresses by service and face, on HOST but for those that `hosts` names.

        Raises PortTaken, or InvalidRequest for a face that does not exist.
        """
        faces = [f"{service}.{face}" for service, ports in preferred.items() for face in ports]
        for name in self._asked:
            if name not in faces:
                raise InvalidRequest(f"there is no port {name}; there are {', '.join(faces)}")
        return {
            service: {
                face: self._take(f"{service}.{face}", hosts.get(service, {}).get(face, HOST), port)
                for face, port in ports.items()
            }
            for service, ports in preferred.items()
        }

    def _take(self, name: str, host: str, preferred: int) -> str:
        port = self._take_port(name, host, preferred)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _take_port(self, name: str, host: str, preferred: int) -> int:
        asked = self._asked.get(name)
        if asked == 0:
            return self._hold(host, 0)
        wanted = preferred if asked is None else asked
        try:
            return self._hold(host, wanted)
        except OSError as error:
            if asked is not None:
                raise PortTaken(
                    f"{name} cannot have port {wanted}: {_reason(error, wanted)}; "
                    f"choose another, --port {name}=N, or let the system choose, --port {name}=0"
                ) from None
            chosen = self._hold(host, 0)
            logger.info("%s listens on port %d: %d is preferred, but %s", name, chosen, wanted, _reason(error, wanted))
            return chosen

    def _hold(self, host: str, port: int) -> int:
        """Of port 0 whatever is free."""
        named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
            port = int(bound.getsockname()[1])
            named.bind(f"\0conch.port.{port}")
        except OSError as error:
            named.close()
            bound.close()
            if error.errno == errno.EADDRNOTAVAIL:
                raise InvalidRequest(f"{host} is no address of this machine") from None
            raise
        self._held += [named, bound]
        return port


def _reason(error: OSError, port: int) -> str:
    if error.errno != errno.EADDRINUSE:
        return str(error.strerror).lower()
    holder = _listener(port)
    return f"it is taken by {holder}" if holder else "it is taken"


def _listener(port: int) -> str | None:
    """Name and pid of who listens there; None where that is not ours to see."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == port:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return None
    return None
