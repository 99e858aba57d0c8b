"""The tables of a catalogue in CQL: four that are documented, and the packed rows beside them."""

import re
from collections.abc import Sequence

from conch.contracts.errors import InvalidRequest
from conch.stores.cql import run_once
from conch.stores.cql_servers import CqlServers

DEADLINE_S = 30.0
"""Of each statement: all nodes agree on a table before it is there."""

TABLES = (
    "master_semantic_relations (master_id uuid PRIMARY KEY, related_masters frozen<map<uuid, float>>,"
    " inference_ts timestamp, inference_source text)",
    "category_co_view_relations (cat_id text PRIMARY KEY, related_cats map<text, float>)",
    "category_relations (cat_id text PRIMARY KEY, related_cats map<text, float>)",
    "master_to_pids (master_id uuid PRIMARY KEY, pids list<uuid>, metadata map<uuid, text>)",
    "packed_features (key text PRIMARY KEY, blob blob)",
)

_COPIES = re.compile(r"[1-9]\d?")
_DATACENTER = re.compile(r"[\w.-]+")


def create_tables(servers: CqlServers, keyspace: str) -> None:
    """What is there stays. Raises Unavailable, and InvalidRequest for a replication that is none."""
    run_once(servers, statements(keyspace, servers.replication), DEADLINE_S)


def statements(keyspace: str, replication: str) -> Sequence[str]:
    copies = ", ".join(f"'{where}': {count}" for where, count in _copies(replication))
    made = (
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', {copies}}}"
    )
    return [made, *(f"CREATE TABLE IF NOT EXISTS {keyspace}.{table}" for table in TABLES)]


def _copies(replication: str) -> Sequence[tuple[str, int]]:
    if _COPIES.fullmatch(replication):
        return [("replication_factor", int(replication))]
    parts = [part.strip().rpartition(":") for part in replication.split(",")]
    if not all(_DATACENTER.fullmatch(where) and _COPIES.fullmatch(count) for where, _, count in parts):
        raise InvalidRequest(f"replication {replication[:100]!r} is neither a number of copies nor like dc1:3,dc2:2")
    return [(where, int(count)) for where, _, count in parts]
