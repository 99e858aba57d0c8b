"""Bytes on the wire that are no honest HTTP: the edge alone refuses them, and a good caller is served after it."""

import contextlib
import json
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
BODY = json.dumps({"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}).encode()
INFER = b"POST /v2/models/sum/infer HTTP/1.1\r\nhost: x\r\n"
GROWN_BYTES = 64 * 2**20


@pytest.fixture(autouse=True)
def _everything_is_up_after_it(open_edge: Any, triton: Any) -> Iterator[None]:
    process = psutil.Process(open_edge.running.process.pid)
    before = process.memory_info().rss
    yield
    assert triton.process.poll() is None
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]
    assert open_edge.get("/v1/models").status_code == 200
    assert process.memory_info().rss - before < GROWN_BYTES


def _said(edge: Any, face: str, *parts: bytes, until: bytes | None = None) -> bytes:
    """All that is answered to these bytes, until the edge hangs up, or has said what is waited for."""
    address = getattr(edge.running.edge.settings.listening, face)
    with socket.create_connection((address.host, address.port), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):  # whoever is cut off while it writes
            for part in parts:
                connection.sendall(part)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while (data := connection.recv(65536)) and (until is None or until not in answer + data):
                answer += data
            return answer + data
        return answer


def _statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


HEAD_ENDS = b"\r\n\r\n"
SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
REFUSED = {
    "two lengths": INFER + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    "two lengths in one": INFER + b"content-length: 5, 6\r\n\r\nabcdef",
    "length and chunks": INFER + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": INFER + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks twice": INFER + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "odd chunks": INFER + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a signed length": INFER + b"content-length: +5\r\n\r\nabcde" + SMUGGLED,
    "a length in hexadecimal": INFER + b"content-length: 0x5\r\n\r\nabcde" + SMUGGLED,
    "a negative length": INFER + b"content-length: -1\r\n\r\n",
    "a length of 2^64": INFER + b"content-length: 18446744073709551616\r\n\r\n",
    "a chunk of 2^64": INFER + b"transfer-encoding: chunked\r\n\r\n10000000000000000\r\nx",
    "a space before the colon": INFER + b"content-length : 5\r\n\r\nabcde",
    "a null in a header": INFER + b"x-a: b\0c\r\n\r\n",
    "a lone return": b"GET /v2 HTTP/1.1\rhost: x\r\n\r\n",
    "no host": b"GET /v2 HTTP/1.1\r\n\r\n",
    "HTTP/1.0": b"GET /v2 HTTP/1.0\r\nhost: x\r\n\r\n",
    "HTTP/0.9": b"GET /v2\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:8011 HTTP/1.1\r\nhost: 127.0.0.1:8011\r\n\r\n",
    "a method that is none": b"FLY /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
    "bytes in the path": b"GET /v2/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=list(REFUSED))
def test_a_request_that_may_be_read_in_two_ways_is_refused(open_edge: Any, gateway: Any, request_: bytes) -> None:
    seen = len(gateway.seen)
    statuses = _statuses(_said(open_edge, "http", request_, until=HEAD_ENDS))
    # 501 is HTTP's word for a way of sending that nobody knows.
    assert statuses
    assert all(400 <= status < 500 or status == 501 for status in statuses), statuses
    assert "/v1/smuggled" not in gateway.seen[seen:]


def test_an_upgrade_is_not_taken_up(open_edge: Any) -> None:
    for protocol in (b"websocket", b"h2c"):
        upgrade = (
            b"connection: Upgrade, HTTP2-Settings\r\nupgrade: %b\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n" % protocol
        )
        assert 101 not in _statuses(
            _said(open_edge, "http", b"GET /v2 HTTP/1.1\r\nhost: x\r\n" + upgrade + b"\r\n", until=HEAD_ENDS)
        )


def test_a_url_in_place_of_a_path_is_read_as_its_path(open_edge: Any) -> None:
    for host in (b"127.0.0.1:1", b"metadata.internal"):
        request = b"POST http://%b/v2/logging HTTP/1.1\r\nhost: x\r\n\r\n" % host
        assert _statuses(_said(open_edge, "http", request, until=HEAD_ENDS)) == [403]


def test_requests_sent_without_waiting_are_answered_in_order(open_edge: Any) -> None:
    first, second, refused = (
        b"GET /v2/%b HTTP/1.1\r\nhost: x\r\n\r\n" % path for path in (b"models/sum", b"models/none", b"logging")
    )
    answer = _said(open_edge, "http", first + second + refused, until=b"operator's key")
    assert _statuses(answer) == [200, 404, 403]


def test_paths_that_climb_reach_nothing(open_edge: Any) -> None:
    for up in ("..", "%2e%2e", "%2e%2e%2f..", "..%5c", "%252e%252e", ".%00", "%c0%ae%c0%ae", "/.."):
        path = f"/v2/models/{up}/repository/models/sum/unload".encode()
        request = b"POST " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n"
        (status,) = _statuses(_said(open_edge, "http", request, until=HEAD_ENDS))
        assert 400 <= status < 500, (up, status)


@pytest.mark.parametrize("sent", [0, 1, len(BODY) // 2, len(BODY) - 1])
def test_a_caller_that_resets_in_the_middle_harms_nobody(open_edge: Any, sent: int) -> None:
    address = open_edge.running.edge.settings.listening.http
    for _ in range(50):
        connection = socket.create_connection((address.host, address.port), timeout=10)
        connection.sendall(INFER + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:sent])
        # No goodbye: the kernel sends a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def test_a_caller_that_says_no_more_still_gets_its_answer_or_none(open_edge: Any) -> None:
    address = open_edge.running.edge.settings.listening.http
    for body in (BODY, BODY[:9]):
        with socket.create_connection((address.host, address.port), timeout=20) as connection:
            connection.sendall(INFER + b"content-length: %d\r\n\r\n" % len(BODY) + body)
            connection.shutdown(socket.SHUT_WR)
            statuses = _statuses(b"".join(iter(lambda: connection.recv(65536), b"")))
        assert statuses in (([200], []) if body == BODY else ([],))


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header in HPACK's plainest form."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


CALL = b"".join(
    _literal(name, value)
    for name, value in (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/conch.test.Talk/Wait"),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    )
)
HELLO = PREFACE + _frame(SETTINGS, 0, 0)
STILL_THERE = _frame(PING, 1, 0, b"a canary")
"""What is answered to a ping that comes last, if the connection is open then."""
FLOODS = {
    "calls taken back at once": lambda: b"".join(
        _frame(HEADERS, 4, stream, CALL) + _frame(RESET, 0, stream, b"\0\0\0\x08") for stream in range(1, 20_000, 2)
    ),
    "headers without an end": lambda: (
        _frame(HEADERS, 0, 1, CALL)
        + b"".join(_frame(CONTINUATION, 0, 1, _literal("x-a", "b" * 100) * 100) for _ in range(500))
    ),
    "empty continuations": lambda: _frame(HEADERS, 0, 1, CALL) + _frame(CONTINUATION, 0, 1) * 20_000,
    "settings": lambda: _frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff") * 50_000,
    "pings": lambda: _frame(PING, 0, 0, b"12345678") * 50_000,
    "empty frames of data": lambda: _frame(HEADERS, 4, 1, CALL) + _frame(DATA, 0, 1) * 50_000,
    "priorities": lambda: _frame(2, 0, 1, b"\0\0\0\0\x10") * 50_000,
}


def test_a_flood_of_frames_ends_its_own_connection(open_edge: Any) -> None:
    answers = _all_said(open_edge, {name: HELLO + flood() for name, flood in FLOODS.items()})
    assert [name for name, answer in answers.items() if STILL_THERE in answer] == []


BROKEN = {
    "no settings": PREFACE + b"\0" * 64,
    "a frame of 16 MiB": HELLO + b"\xff\xff\xff\x01\x04\0\0\0\x01" + b"x" * 1000,
    "a stream of the server's": HELLO + _frame(HEADERS, 5, 2, CALL),
    "data of no stream": HELLO + _frame(DATA, 0, 7, b"x"),
    "headers that cannot be unpacked": HELLO + _frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"),
    "a window past its end": HELLO + _frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"),
    "no path": HELLO + _frame(HEADERS, 5, 1, _literal(":method", "POST") + _literal(":scheme", "http")),
    "capital letters": HELLO + _frame(HEADERS, 5, 1, CALL + _literal("X-Large", "y")),
    "a header of the connection": HELLO + _frame(HEADERS, 5, 1, CALL + _literal("transfer-encoding", "chunked")),
    "a length that is not so": HELLO + _frame(HEADERS, 4, 1, CALL + _literal("content-length", "5"))
    + _frame(DATA, 1, 1, b"abcdefgh"),
}  # fmt: skip


def test_a_broken_frame_is_refused(open_edge: Any) -> None:
    answers = _all_said(open_edge, BROKEN)
    assert [name for name, answer in answers.items() if DATA in _kinds(answer)] == []
    unharmed = [name for name, answer in answers.items() if STILL_THERE in answer and RESET not in _kinds(answer)]
    assert unharmed == []


def test_more_calls_than_a_connection_may_have_are_refused(open_edge: Any) -> None:
    limit = open_edge.running.edge.settings.limits.max_streams
    calls = b"".join(_frame(HEADERS, 4, stream, CALL) for stream in range(1, 4 * limit, 2))
    answer = _said_http2(open_edge, HELLO + calls)
    assert STILL_THERE not in answer or _kinds(answer).count(RESET) >= limit


def _said_http2(edge: Any, sent: bytes) -> bytes:
    """All frames that come back, until the connection is ended or shows that it is not."""
    return _said(edge, "grpc", sent, _frame(PING, 0, 0, b"a canary"), until=STILL_THERE)


def _all_said(edge: Any, sent: Mapping[str, bytes]) -> dict[str, bytes]:
    """At once: the edge takes a second to hang up."""
    with ThreadPoolExecutor(len(sent)) as callers:
        return dict(zip(sent, callers.map(lambda one: _said_http2(edge, one), sent.values()), strict=True))


def _kinds(answer: bytes) -> list[int]:
    """Of the frames in it."""
    kinds = []
    while len(answer) >= 9:
        kinds.append(answer[3])
        answer = answer[9 + int.from_bytes(answer[:3], "big") :]
    return kinds
