"""Callers that send a byte now and then: nobody else waits for them, nothing grows, and they are cut off."""

import contextlib
import json
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from conch.edge.settings import Limits
from conch.stack.envoy import fronting
from tests.edge.conftest import Caller, as_upstream, new_edge

CALLERS = 500
CUT_OFF_S = 3.0
GROWN_BYTES = 96 * 2**20
"""By so many callers: some 20 KiB each is held of a connection, and the rest is what a busy server takes anyway."""

HTTP_HEAD = b"host: x\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


def _literal(name: str, value: str) -> bytes:
    """A header in HPACK's plainest form."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _http2(path: str, promised: int) -> bytes:
    """Of a gRPC call: its headers, and the prefix of a message that does not come."""
    headers = b"".join(
        _literal(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "x"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        )
    )
    prefix = struct.pack(">BI", 0, promised)
    return (
        PREFACE
        + struct.pack(">I", len(headers))[1:]
        + b"\x01\x04\0\0\0\x01"
        + headers
        + struct.pack(">I", len(prefix))[1:]
        + b"\0\0\0\0\0\x01"
        + prefix
    )


KINDS = {
    "headers": ("http", b"GET /v2 HTTP/1.1\r\nx-slow: ", b"x"),
    "a body for Triton": ("http", b"POST /v2/models/sum/infer HTTP/1.1\r\n" + HTTP_HEAD, b"["),
    "a body for the gateway": ("http", b"POST /v1/embeddings HTTP/1.1\r\n" + HTTP_HEAD, b"["),
    "frames for Triton": ("grpc", _http2("/inference.GRPCInferenceService/ModelInfer", 10_000), b"\0\0\1\0\0\0\0\0\1x"),
    "frames for the gateway": ("grpc", _http2("/conch.test.Talk/Say", 10_000), b"\0\0\1\0\0\0\0\0\1x"),
}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, triton: Any, gateway: Any) -> Iterator[Caller]:
    """Patient for some seconds only."""
    limits = Limits(request_within_s=CUT_OFF_S, headers_within_s=CUT_OFF_S)
    made = new_edge(tmp_path_factory.mktemp("patient"), [as_upstream(triton)], gateway, limits=limits)
    with fronting(made) as running:
        yield Caller(running)


class SlowCallers:
    """So many connections, on each of which a byte is sent every second."""

    def __init__(self, address: Any, beginning: bytes, more: bytes) -> None:
        self._more = more
        self._open = selectors.DefaultSelector()
        self.cut_off = 0
        for _ in range(CALLERS):
            connection = socket.create_connection((address.host, address.port), timeout=30)
            connection.sendall(beginning)
            connection.setblocking(False)
            self._open.register(connection, selectors.EVENT_READ)

    @property
    def still_open(self) -> int:
        return len(self._open.get_map())

    def send(self, until: Callable[[], bool]) -> None:
        next_byte = time.monotonic() + 1
        while self.still_open and not until():
            for key, _ in self._open.select(timeout=0.1):
                self._read(key.fileobj)
            if time.monotonic() >= next_byte:
                next_byte += 1
                for key in list(self._open.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(self._more)  # type: ignore[union-attr]

    def _read(self, connection: Any) -> None:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        # An answer, a stream's end or a connection's: all but HTTP/2's own first frames and window updates.
        if not data or data.startswith(b"HTTP/1.1 4") or _ends_stream(data):
            self.cut_off += 1
            self._open.unregister(connection)
            connection.close()

    def close(self) -> None:
        for key in list(self._open.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._open.close()


def _ends_stream(data: bytes) -> bool:
    while len(data) >= 9:
        length, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
        if kind in (3, 7) or (kind in (0, 1) and flags & 1):
            return True
        data = data[9 + length :]
    return False


@pytest.mark.parametrize("kind", list(KINDS))
def test_slow_callers_are_cut_off_and_nobody_else_notices(
    edge: Any, kind: str, triton: Any, gateway: Any, until: Any
) -> None:
    face, beginning, more = KINDS[kind]
    process = psutil.Process(edge.running.process.pid)
    edge.infer("sum")
    before, seen = process.memory_info().rss, len(gateway.seen)
    slow = SlowCallers(getattr(edge.running.edge.settings.listening, face), beginning, more)
    done = threading.Event()
    sending = threading.Thread(target=slow.send, args=(done.is_set,))
    sending.start()
    try:
        # One of our calls after another, while all of them hold on: each is answered.
        answered = 0
        while slow.still_open == CALLERS and answered < 20:
            assert edge.infer("sum").as_numpy("total").tolist() == [3.0]
            assert edge.get("/v2/models/sum").status_code == 200
            assert edge.post("/v1/models", json={}).status_code == 200
            assert json.loads(edge.raw("/conch.test.Talk/Say", b"x"))["size_bytes"] == 1
            answered += 1
        assert answered
        assert _waiting_upstream(edge) == 0, "Triton holds what is not there yet"
        grown = process.memory_info().rss - before
        assert grown < GROWN_BYTES, f"{CALLERS} callers hold {grown} bytes"
        until(lambda: slow.cut_off == CALLERS, seconds=60)
        assert edge.infer("sum").as_numpy("total").tolist() == [3.0]
    finally:
        done.set()
        sending.join(30)
        slow.close()
    # What never arrived whole was begun by nobody.
    if face == "http":
        assert "/v1/embeddings" not in gateway.seen[seen:]


def test_a_call_without_a_message_is_refused_at_once(edge: Any) -> None:
    headers = {"content-type": "application/grpc", "te": "trailers"}
    answer = edge.sending(**headers).post("/inference.GRPCInferenceService/ModelInfer", content=b"")
    assert (answer.headers["grpc-status"], answer.headers["grpc-message"]) == (
        "3",
        "the message is none that this call takes",
    )


def _waiting_upstream(edge: Any) -> int:
    counts = edge.running.admin("/stats?filter=^cluster.triton_(grpc|http).upstream_rq_active$")
    return sum(int(count) for count in re.findall(r": (\d+)", counts))
