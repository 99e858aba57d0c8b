"""Servers that speak CQL, as the environment of a process names them.

CONCH_CQL               host:port,host:port of some nodes; these name the rest
CONCH_CQL_DATACENTER    whose nodes are asked; all of them without it
CONCH_CQL_REPLICATION   copies of what is made: 3, or dc1:3,dc2:2; 1 without it
CONCH_CQL_USER, CONCH_CQL_PASSWORD
CONCH_CQL_CA            PEM of who signed the nodes' certificates; without it, no TLS
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import CQL_VARIABLE

_POINT = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class CqlServers:
    points: Sequence[str]
    """host:port"""
    datacenter: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    authorities: Path | None = None
    replication: str = "1"
    """Of keyspaces that we make: copies in every datacentre, or dc1:3,dc2:2."""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """None where none are named. Raises InvalidRequest."""
        said = environment.get(CQL_VARIABLE, "").strip()
        if not said:
            return None
        points = [point.strip() for point in said.split(",")]
        for point in points:
            if not (match := _POINT.fullmatch(point)) or not 0 < int(match[2]) < 65_536:
                raise InvalidRequest(f"{CQL_VARIABLE} has {point[:100]!r}, not host:port")
        authorities = environment.get("CONCH_CQL_CA", "")
        return cls(
            points,
            environment.get("CONCH_CQL_DATACENTER", ""),
            environment.get("CONCH_CQL_USER", ""),
            environment.get("CONCH_CQL_PASSWORD", ""),
            Path(authorities) if authorities else None,
            environment.get("CONCH_CQL_REPLICATION", "") or "1",
        )
