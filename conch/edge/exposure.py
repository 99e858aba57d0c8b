"""To whom the edge is open: edge.toml in the state folder, read once at a start. Without the file, to this machine.

    listen = "0.0.0.0"                # gRPC and HTTP; default: 127.0.0.1
    listen_metrics = "10.0.0.5"       # asks for no key; default: 127.0.0.1
    plain_text = false                # true: other machines are served without TLS, as behind something that ends it

    [tls]
    certificate = "tls/server.pem"    # PEM with its chain; from the state folder, as the others
    key = "tls/server.key"
    client_ca = "tls/callers.pem"     # callers show a certificate of one of these; default: they need none

What may not be opened, EdgeSettings.check says.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import InvalidRequest
from conch.edge.settings import Address, Tls

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Exposure:
    listen: str = LOOPBACK
    listen_metrics: str = LOOPBACK
    plain_text: bool = False
    tls: Tls | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            text = path.read_text()
        except FileNotFoundError:
            return cls()
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidRequest(f"{path} is not TOML: {error}") from error
        _refuse_unknown("edge.toml", document, ("listen", "listen_metrics", "plain_text", "tls"))
        plain_text = document.get("plain_text", False)
        if not isinstance(plain_text, bool):
            raise InvalidRequest(f"edge.toml: plain_text is {plain_text!r}, not true or false")
        return cls(
            _host("listen", document.get("listen", LOOPBACK)),
            _host("listen_metrics", document.get("listen_metrics", LOOPBACK)),
            plain_text,
            _tls(document["tls"], path.parent) if "tls" in document else None,
        )


def _host(name: str, value: Any) -> str:
    if not isinstance(value, str) or not Address(value, 1).is_ip:
        raise InvalidRequest(f"edge.toml: {name} is {value!r}, not an IP address")
    return value


def _tls(table: Any, folder: Path) -> Tls:
    if not isinstance(table, dict):
        raise InvalidRequest("edge.toml: tls is not a table")
    _refuse_unknown("edge.toml: tls", table, ("certificate", "key", "client_ca"))
    files: dict[str, Path] = {}
    for name, value in table.items():
        if not isinstance(value, str) or not value:
            raise InvalidRequest(f"edge.toml: tls.{name} is {value!r}, not a file's path")
        files[name] = folder / value
    if missing := sorted({"certificate", "key"} - files.keys()):
        raise InvalidRequest(f"edge.toml: tls has no {' and no '.join(missing)}")
    return Tls(files["certificate"], files["key"], files.get("client_ca"))


def _refuse_unknown(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    if unknown := sorted(table.keys() - set(known)):
        raise InvalidRequest(f"{where} has {', '.join(unknown)}; there are {', '.join(known)}")
