"""Which durable store a catalogue has: CQL where the environment names servers, else a file in its folder.

CONCH_CQL               host:port,host:port of some nodes
CONCH_CQL_DATACENTER    whose nodes are asked; all of them without it
CONCH_CQL_REPLICATION   copies of what is made: 3, or dc1:3,dc2:2; 1 without it
CONCH_CQL_USER, CONCH_CQL_PASSWORD
CONCH_CQL_CA            PEM of who signed the nodes' certificates; without it, no TLS
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import CQL_VARIABLE
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.cql import CqlServers
from conch.stores.cql_relations import DEADLINE_S, WRITE_DEADLINE_S, CqlRelations
from conch.stores.cql_tables import create_tables
from conch.stores.relations import Relations
from conch.stores.sqlite_relations import SqliteRelations

_POINT = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})")


def relations_of(
    folder: CatalogueFolder, environment: Mapping[str, str] = os.environ, deadline_s: float | None = None
) -> Relations:
    """CQL is being connected to when this returns. `deadline_s`: of whoever can wait longer than a caller does. Raises
    Unavailable for a file that does not open, InvalidRequest for what cannot be an address."""
    servers = servers_of(environment)
    if servers is None:
        return SqliteRelations(folder.relations, *(() if deadline_s is None else (deadline_s,)))
    relations = CqlRelations(
        servers,
        folder.keys.keyspace,
        deadline_s=deadline_s or DEADLINE_S,
        write_deadline_s=deadline_s or WRITE_DEADLINE_S,
    )
    relations.begin()
    return relations


def new_relations_of(
    folder: CatalogueFolder, environment: Mapping[str, str] = os.environ, deadline_s: float | None = None
) -> Relations:
    """For who makes a catalogue: the keyspace and the tables are made where there are none."""
    servers = servers_of(environment)
    if servers is not None:
        create_tables(servers, folder.keys.keyspace, environment.get("CONCH_CQL_REPLICATION") or "1")
    return relations_of(folder, environment, deadline_s)


def servers_of(environment: Mapping[str, str]) -> CqlServers | None:
    """None where none are named. Raises InvalidRequest."""
    said = environment.get(CQL_VARIABLE, "").strip()
    if not said:
        return None
    points = [point.strip() for point in said.split(",")]
    for point in points:
        if not (match := _POINT.fullmatch(point)) or not 0 < int(match[2]) < 65_536:
            raise InvalidRequest(f"{CQL_VARIABLE} has {point[:100]!r}, not host:port")
    authorities = environment.get("CONCH_CQL_CA", "")
    return CqlServers(
        points,
        environment.get("CONCH_CQL_DATACENTER", ""),
        environment.get("CONCH_CQL_USER", ""),
        environment.get("CONCH_CQL_PASSWORD", ""),
        Path(authorities) if authorities else None,
    )
