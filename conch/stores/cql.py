"""Questions to ScyllaDB or Apache Cassandra: prepared, to the node that has the row, each within a deadline.

The one file that knows the driver. Left to itself it waits ten seconds for an answer and a minute for a node that died
without a word; here a node that is silent for a few seconds is left, and tried again every second.
"""

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cassandra import ConsistencyLevel, DriverException
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, ResponseFuture, Session
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
)
from cassandra.query import PreparedStatement, tuple_factory

from conch.contracts.errors import Unavailable
from conch.stores.cql_servers import CqlServers

CONNECT_S = 2.0
"""To reach a node, and for each question that comes with it."""

AGAIN_S = 1.0
"""Between two tries to reach a node."""

HEARTBEAT_S = 2.0
"""A connection that was idle for so long is asked whether it lives; one that does not answer within it does not."""

AT_ONCE = 64
"""Questions under way; the next one waits for the oldest."""

PAGE = 1_000
"""Rows."""

Row = tuple[Any, ...]

# It writes a stack for every try to reach a node; who asks a node in vain is told by Unavailable.
logging.getLogger("cassandra").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Statement:
    cql: str
    quorum: bool = True
    """Answered by most replicas of this datacentre; False: by one, which may have missed the last write."""


@dataclass(frozen=True, slots=True)
class _Connected:
    session: Session
    prepared: Mapping[Statement, PreparedStatement]


class Cql:
    """Raises Unavailable and nothing else."""

    def __init__(self, servers: CqlServers, keyspace: str, statements: Sequence[Statement]) -> None:
        """These are prepared when it connects: on a thread of its own, when it is first asked or told to `begin`."""
        self._servers = servers
        self._keyspace = keyspace
        self._statements = statements
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "cql-connect")
        self._connecting: Future[_Connected] | None = None
        self._began = 0.0
        self._closed = False

    def begin(self) -> None:
        """Connects, and does not wait for it."""
        self._connection()

    def ask(self, statement: Statement, parameters: Sequence[Row], deadline_s: float) -> Sequence[Sequence[Row]]:
        """Once for each, side by side; the answers in order, all of them within the deadline."""
        ends = time.monotonic() + deadline_s
        connected = self._connected(deadline_s)
        prepared = connected.prepared[statement]
        waiting: deque[ResponseFuture] = deque()
        answers: list[Sequence[Row]] = []
        try:
            for one in parameters:
                if len(waiting) == AT_ONCE:
                    answers.append(waiting.popleft().result().all())
                waiting.append(_sent(connected.session, prepared, one, ends))
            answers.extend(future.result().all() for future in waiting)
        except _AWAY as error:
            raise Unavailable(f"CQL does not answer: {_told(error)}") from error
        return answers

    def rows(self, statement: Statement, deadline_s: float) -> Iterator[Row]:
        """Of a whole table, page by page, each within the deadline."""
        connected = self._connected(deadline_s)
        try:
            # Pages are fetched as the rows are taken.
            yield from connected.session.execute(connected.prepared[statement], timeout=deadline_s)
        except _AWAY as error:
            raise Unavailable(f"CQL does not answer: {_told(error)}") from error

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connecting = self._connecting
        self._thread.shutdown(wait=False)
        if connecting is not None:
            connecting.add_done_callback(_end)

    def _connected(self, deadline_s: float) -> _Connected:
        connecting = self._connection()
        try:
            return connecting.result(deadline_s)
        except TimeoutError as error:
            if not connecting.done():
                raise Unavailable(f"CQL is not connected within {deadline_s} s; it is tried further") from error
            raise Unavailable(f"CQL does not connect: {_told(error)}") from error
        except _AWAY as error:
            raise Unavailable(f"CQL does not connect: {_told(error)}") from error

    def _connection(self) -> Future[_Connected]:
        """The one that stands or is being made; another where that has failed, at most one each AGAIN_S."""
        with self._lock:
            if self._closed:
                raise Unavailable("CQL was closed")
            standing, now = self._connecting, time.monotonic()
            failed = standing is not None and standing.done() and standing.exception() is not None
            if standing is None or (failed and now - self._began >= AGAIN_S):
                self._began = now
                standing = self._connecting = self._thread.submit(self._connect)
            return standing

    def _connect(self) -> _Connected:
        cluster = _cluster(self._servers, CONNECT_S)
        try:
            session = cluster.connect(self._keyspace)
            prepared = {statement: session.prepare(statement.cql) for statement in self._statements}
        except BaseException:
            cluster.shutdown()
            raise
        for statement, ready in prepared.items():
            ready.consistency_level = ConsistencyLevel.LOCAL_QUORUM if statement.quorum else ConsistencyLevel.LOCAL_ONE
            ready.fetch_size = PAGE
        return _Connected(session, prepared)


def run_once(servers: CqlServers, statements: Sequence[str], deadline_s: float) -> None:
    """One after the other, each within the deadline: for what changes the tables. Raises Unavailable."""
    try:
        cluster = _cluster(servers, deadline_s)
        try:
            session = cluster.connect()
            for statement in statements:
                session.execute(statement, timeout=deadline_s)
        finally:
            cluster.shutdown()
    except _AWAY as error:
        raise Unavailable(f"CQL does not do it: {_told(error)}") from error


def _cluster(servers: CqlServers, deadline_s: float) -> Cluster:
    points = [_address(point) for point in servers.points]
    here = DCAwareRoundRobinPolicy(servers.datacenter) if servers.datacenter else RoundRobinPolicy()
    profile = ExecutionProfile(TokenAwarePolicy(here), request_timeout=deadline_s, row_factory=tuple_factory)
    return Cluster(
        points,
        port=points[0][1],
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=PlainTextAuthProvider(servers.user, servers.password) if servers.user else None,
        ssl_context=ssl.create_default_context(cafile=servers.authorities) if servers.authorities else None,
        reconnection_policy=ConstantReconnectionPolicy(AGAIN_S, max_attempts=None),
        connect_timeout=CONNECT_S,
        control_connection_timeout=CONNECT_S,
        idle_heartbeat_interval=HEARTBEAT_S,
        idle_heartbeat_timeout=HEARTBEAT_S,
    )


def _sent(session: Session, prepared: PreparedStatement, parameters: Row, ends: float) -> ResponseFuture:
    left_s = ends - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the deadline has passed")
    return session.execute_async(prepared, parameters, timeout=left_s)


def _address(point: str) -> tuple[str, int]:
    host, _, port = point.rpartition(":")
    return host.strip("[]"), int(port)


def _end(connecting: Future[_Connected]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().session.cluster.shutdown()


def _told(error: BaseException) -> str:
    """In one line: the driver tells of every node, with its error as Python writes it."""
    return f"{type(error).__name__}: {error}".split("\n", 1)[0][:300]


_AWAY = (DriverException, NoHostAvailable, ConnectionException, OSError, RuntimeError)
"""What the driver raises where the servers are to blame; a session that is shut down meanwhile is a RuntimeError."""
