"""Which durable store a catalogue has: CQL where the environment names servers (cql_servers.py), else a file of its
folder. Whoever reads or writes relations asks here."""

import os
from collections.abc import Mapping

from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.cql_servers import CqlServers
from conch.stores.relations import Relations
from conch.stores.sqlite_relations import SqliteRelations


def relations_of(
    folder: CatalogueFolder, environment: Mapping[str, str] = os.environ, deadline_s: float | None = None
) -> Relations:
    """CQL is being connected to when this returns. `deadline_s`: of whoever can wait longer than a caller does. Raises
    Unavailable for a file that does not open, InvalidRequest for what cannot be an address."""
    servers = CqlServers.of_environment(environment)
    if servers is None:
        return SqliteRelations(folder.relations, *(() if deadline_s is None else (deadline_s,)))
    # Imported here: where relations are in a file, nobody needs the driver.
    from conch.stores.cql_relations import DEADLINE_S, WRITE_DEADLINE_S, CqlRelations

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
    servers = CqlServers.of_environment(environment)
    if servers is not None:
        from conch.stores.cql_tables import create_tables

        create_tables(servers, folder.keys.keyspace)
    return relations_of(folder, environment, deadline_s)
