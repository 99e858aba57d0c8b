"""The Tritons that serve one state folder: where each is, and whether it serves what it should.

The controller writes rollout/servers.json; publishers and the edge read it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from conch.contracts.errors import InvalidRequest
from conch.durable import write_json

STACK = "triton"
"""The name of the server that a stack starts itself."""


class ServerState(StrEnum):
    AWAY = "away"
    """It does not answer."""
    CONVERGING = "converging"
    """It answers, and does not yet serve what it should."""
    CONVERGED = "converged"
    DRAINING = "draining"
    """It gets no new calls, and is to be started again."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    name: str
    http: str
    grpc: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """ "name=host:port,host:port": its HTTP and its gRPC."""
        name, equals, faces = text.partition("=")
        http, comma, grpc = faces.partition(",")
        if not (name.replace("-", "").replace("_", "").isalnum() and equals and http and comma and grpc):
            raise InvalidRequest(f"{text!r} is no server: name=HTTP,GRPC is, as in a=127.0.0.1:8010,127.0.0.1:8011")
        return cls(name, http, grpc)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    address: ServerAddress
    state: ServerState
    reason: str = ""
    """Why it is not CONVERGED."""

    @property
    def serves(self) -> bool:
        return self.state is ServerState.CONVERGED


class ServerStatuses:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Sequence[ServerStatus]:
        """Empty where no controller has ever run, or what it wrote cannot be read."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return [
                ServerStatus(ServerAddress(**one["address"]), ServerState(one["state"]), one["reason"])
                for one in document
            ]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return []

    def write(self, statuses: Collection[ServerStatus]) -> None:
        write_json(self._path, [asdict(one) for one in statuses])


def without_calls(statuses: Collection[ServerStatus]) -> Sequence[ServerAddress]:
    """Those that callers are to be kept from.

    As long as none is what it should be, one that answers is better than nothing; one that drains never is.
    """
    some_serve = any(one.serves for one in statuses)
    return [
        one.address
        for one in statuses
        if one.state is ServerState.DRAINING or (some_serve and one.state is not ServerState.CONVERGED)
    ]
