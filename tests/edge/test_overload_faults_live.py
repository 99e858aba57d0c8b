"""More than the edge bears is refused at once and by name, and what is published under load fails no call."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.utils import InferenceServerException

from conch.edge.settings import Limits
from conch.stack.envoy import fronting
from tests.edge.conftest import Caller, Keyed

BODY = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [1], "data": [1]}]}
MIB = 2**20


@pytest.fixture
def held(gates: Path) -> Iterator[Path]:
    """While it stands, calls of the model "held" wait."""
    gate = gates / "held"
    gate.touch()
    yield gate
    gate.unlink(missing_ok=True)


def _active(caller: Caller, cluster: str) -> int:
    return int(caller.running.admin(f"/stats?filter=^cluster.{cluster}.upstream_rq_active$").rpartition(":")[2])


def test_a_call_too_many_is_refused_at_once_and_told_when_to_come_back(
    make_edge: Callable[..., Any], triton: Any, held: Path, until: Any
) -> None:
    with fronting(make_edge(triton, limits=Limits(max_calls=2))) as running, ThreadPoolExecutor(4) as pool:
        caller = Caller(running)
        waiting = [pool.submit(caller.infer, "held") for _ in range(2)]
        posted = [pool.submit(caller.post, "/v2/models/held/infer", json=BODY) for _ in range(2)]
        until(lambda: _active(caller, "triton_grpc") == _active(caller, "triton_http") == 2)
        refused = caller.refusal("sum")
        assert (refused.status(), refused.message()) == ("StatusCode.RESOURCE_EXHAUSTED", "too many calls at once")
        answer = caller.post("/v2/models/sum/infer", json=BODY)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.json() == {"error": "too many calls at once"}
        # Others' flood is not the gateway's: neither as one that is called nor as one that calls.
        assert caller.get("/v1/models").status_code == 200
        with grpc.insecure_channel(str(running.edge.settings.listening.internal)) as channel:
            assert channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")(b"", timeout=20)
        held.unlink()
        assert [call.result(30).as_numpy("total").tolist() for call in waiting] == [[3.0], [3.0]]
        assert [call.result(30).status_code for call in posted] == [200, 200]
        assert caller.infer("sum").as_numpy("total").tolist() == [3.0]


def test_a_connection_too_many_is_closed_at_once(make_edge: Callable[..., Any], triton: Any, until: Any) -> None:
    with fronting(make_edge(triton, limits=Limits(max_connections=20))) as running:
        address = running.edge.settings.listening.http
        with contextlib.ExitStack() as stack:
            open_ones = [
                stack.enter_context(socket.create_connection((address.host, address.port), timeout=20))
                for _ in range(40)
            ]
            for connection in open_ones:
                connection.setblocking(False)
            until(lambda: sum(_is_closed(connection) for connection in open_ones) >= 20)
        until(lambda: _serves(Caller(running)))


def test_bodies_that_fill_the_memory_shut_the_door_until_they_are_gone(
    make_edge: Callable[..., Any], triton: Any, until: Any
) -> None:
    held = threading.Event()
    limits = Limits(max_heap_bytes=192 * MIB)
    with fronting(make_edge(triton, limits=limits)) as running, ThreadPoolExecutor(6) as pool:
        caller = Caller(running)
        try:
            sending = [pool.submit(_send_most_of_a_body, running, held) for _ in range(6)]
            until(lambda: caller.get("/v2/models/sum").status_code == 503, seconds=60)
            refused = caller.get("/v2/models/sum")
            assert list(refused.json()) == ["error"]
            assert caller.refusal("sum").status() == "StatusCode.UNAVAILABLE"
        finally:
            held.set()
        for one in sending:
            one.result(60)
        until(lambda: _serves(caller), seconds=60)


def _send_most_of_a_body(running: Any, held: threading.Event) -> None:
    """Returns when it is cut off, or told to."""
    address = running.edge.settings.listening.http
    head = b"POST /v2/models/sum/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (64 * MIB)
    with (
        contextlib.suppress(ConnectionError, TimeoutError),
        socket.create_connection((address.host, address.port), timeout=1) as connection,
    ):
        connection.sendall(head)
        for _ in range(60):
            connection.sendall(b" " * MIB)
        while not held.is_set():
            with contextlib.suppress(TimeoutError):
                if connection.recv(65536) is not None:
                    return


def test_what_is_published_under_load_fails_no_call(
    make_edge: Callable[..., Any], triton: Any, make_keyed: Callable[..., Keyed]
) -> None:
    edge = make_edge(triton)
    edge.tenants_file.write_text("[tenants.acme]\n")
    token = edge.keys.create("acme")[1]
    with fronting(edge) as running, ThreadPoolExecutor(3) as pool:
        caller = make_keyed(running).holding(token)
        stop = threading.Event()
        callers = [pool.submit(_call_until, caller, stop, face) for face in ("grpc", "http", "gateway")]
        try:
            _publish(edge)
        finally:
            stop.set()
        answered = [one.result(30) for one in callers]
    assert all(count > 0 for count in answered), answered


def _publish(edge: Any) -> None:
    for turn in range(12):
        named = "".join(f"[tenants.t{number}]\ncalls_at_once = {turn + 1}\n" for number in range(turn % 5))
        edge.tenants_file.write_text(f"[tenants.acme]\n{named}")
        edge.publish_tenants()
        edge.keys.revoke(edge.keys.create("acme")[0].id)
        # Half of a file that Envoy reads: it looks for renames alone.
        draft = edge.files.routes.with_name("half")
        draft.write_text(edge.files.routes.read_text()[:1000])


def _call_until(caller: Caller, stop: threading.Event, face: str) -> int:
    """How many calls were answered; one that is not raises."""
    answered = 0
    while not stop.is_set() or not answered:
        if face == "grpc":
            assert caller.infer("sum").as_numpy("total").tolist() == [3.0]
        else:
            assert caller.get("/v2/models/sum" if face == "http" else "/v1/models").status_code == 200
        answered += 1
    return answered


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _serves(caller: Caller) -> bool:
    try:
        return bool(caller.infer("sum").as_numpy("total").tolist() == [3.0])
    except InferenceServerException:
        return False
