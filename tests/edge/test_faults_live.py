"""What callers see while servers behind the edge stop, die and come back."""

import gzip
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

from conch.stack.envoy import fronting

UNAVAILABLE = "StatusCode.UNAVAILABLE"
METADATA = "/inference.GRPCInferenceService/ServerMetadata"


@pytest.fixture
def own_triton(make_triton: Callable[..., Any]) -> Iterator[Any]:
    with make_triton() as server:
        yield server


def test_a_stopped_triton_is_unavailable_and_recovers(
    make_edge: Callable[..., Any], own_triton: Any, make_caller: Callable[..., Any], until: Any
) -> None:
    with fronting(make_edge(own_triton)) as running:
        caller = make_caller(running)
        assert caller.infer("sum").as_numpy("total").tolist() == [3.0]
        own_triton.process.send_signal(signal.SIGSTOP)
        try:
            # It holds its port open and answers nothing: neither the call that waits nor the next one waits for long.
            assert caller.refusal("sum").status() == UNAVAILABLE
            assert caller.refusal("sum").status() == UNAVAILABLE
            until(lambda: _status(caller, "/v2/models/sum") == 503)
            assert caller.get("/v1/models").status_code == 200
        finally:
            own_triton.process.send_signal(signal.SIGCONT)
        until(lambda: _serves(caller))


def test_calls_that_a_server_took_before_it_hung_end(
    make_edge: Callable[..., Any], own_triton: Any, make_caller: Callable[..., Any], gates: Path, until: Any
) -> None:
    with fronting(make_edge(own_triton)) as running, ThreadPoolExecutor(2) as aside:
        caller = make_caller(running)
        (gates / "held").touch()
        try:
            waiting = [aside.submit(ask, caller, "held") for ask in (_ask_over_http, _ask_over_grpc)]
            # One is in the model, one waits for it.
            until(lambda: _pending(own_triton, "held") == 1, 20)
            own_triton.process.send_signal(signal.SIGSTOP)
            assert [call.result(30) for call in waiting] == ["a server behind the edge is away"] * 2
        finally:
            (gates / "held").unlink()
            own_triton.process.send_signal(signal.SIGCONT)
        until(lambda: _serves(caller), 20)


def test_a_killed_triton_is_unavailable_at_once(
    make_edge: Callable[..., Any], own_triton: Any, make_caller: Callable[..., Any]
) -> None:
    with fronting(make_edge(own_triton)) as running:
        caller = make_caller(running)
        assert caller.infer("sum").as_numpy("total").tolist() == [3.0]
        own_triton.process.kill()
        own_triton.process.wait()
        assert caller.refusal("sum").status() == UNAVAILABLE
        answer = caller.get("/v2/models/sum")
        assert answer.status_code == 503
        assert "error" in answer.json()


def test_a_gateway_that_is_away_is_told_in_the_shape_of_the_face(
    make_edge: Callable[..., Any], make_stand_in: Callable[..., Any], make_caller: Callable[..., Any]
) -> None:
    away = "a server behind the edge is away"
    with (
        make_stand_in("triton") as triton,
        make_stand_in("gateway") as gateway,
        fronting(make_edge(triton, gateway=gateway)) as running,
    ):
        caller = make_caller(running)
        gateway.stop()
        for path, body in (
            ("/v2/health/ready", {"error": away}),
            ("/health", {"error": away}),
            ("/v1/models", {"error": {"message": away, "type": "server_error", "param": None, "code": "unavailable"}}),
        ):
            answer = caller.get(path)
            assert (answer.status_code, answer.json(), answer.headers.get("retry-after")) == (503, body, "1")
        refused = caller.raw("/conch.voice.v1.Voice/Understand")
        assert (refused.code(), refused.details()) == (grpc.StatusCode.UNAVAILABLE, away)
        assert caller.get("/v2/models/sum").status_code == 200


def test_calls_of_one_connection_are_spread_over_all_servers(
    make_edge: Callable[..., Any], make_stand_in: Callable[..., Any], make_caller: Callable[..., Any]
) -> None:
    with make_stand_in("one") as one, make_stand_in("two") as two, fronting(make_edge(one, two)) as running:
        for address in (make_caller(running).grpc_address, str(running.edge.settings.listening.internal)):
            with grpc.insecure_channel(address) as channel:
                call = channel.unary_unary(METADATA)
                assert {_who(call) for _ in range(40)} == {"one", "two"}


def test_a_server_that_went_away_is_passed_over(
    make_edge: Callable[..., Any], make_stand_in: Callable[..., Any], make_caller: Callable[..., Any]
) -> None:
    with (
        make_stand_in("one") as one,
        make_stand_in("two") as two,
        fronting(make_edge(one, two)) as running,
        grpc.insecure_channel(make_caller(running).grpc_address) as channel,
    ):
        call = channel.unary_unary(METADATA)
        assert {_who(call) for _ in range(40)} == {"one", "two"}
        two.stop()
        # Reading calls are tried again; not one of them fails.
        assert {_who(call) for _ in range(40)} == {"one"}


def test_an_inference_that_a_server_has_begun_is_not_tried_again(
    make_edge: Callable[..., Any], make_stand_in: Callable[..., Any], make_caller: Callable[..., Any]
) -> None:
    with make_stand_in("one") as one, make_stand_in("two") as two, fronting(make_edge(one, two)) as running:
        for stand_in in (one, two):
            stand_in.failing = True
        failed = make_caller(running).raw("/inference.GRPCInferenceService/ModelInfer")
        assert failed.code() == grpc.StatusCode.UNAVAILABLE
        assert len(one.seen) + len(two.seen) == 1
        failed = make_caller(running).raw(METADATA)
        assert failed.code() == grpc.StatusCode.UNAVAILABLE
        assert len(one.seen) + len(two.seen) == 1 + 3


def test_a_gateway_that_is_away_is_unavailable_and_triton_is_not(
    make_edge: Callable[..., Any],
    triton: Any,
    make_stand_in: Callable[..., Any],
    make_caller: Callable[..., Any],
) -> None:
    with make_stand_in("gone") as gone:
        edge = make_edge(triton, gateway=gone)
    with fronting(edge) as running:
        caller = make_caller(running)
        assert caller.raw("/conch.test.Talk/Say").code() == grpc.StatusCode.UNAVAILABLE
        assert caller.get("/v1/models").status_code == 503
        assert caller.infer("sum").as_numpy("total").tolist() == [3.0]


def test_slow_and_broken_callers_do_not_keep_others_waiting(open_edge: Any) -> None:
    http = open_edge.running.edge.settings.listening.http
    held = [socket.create_connection((http.host, http.port), timeout=10) for _ in range(200)]
    try:
        for index, connection in enumerate(held):
            connection.sendall(
                b"POST /v2/models/sum/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"[: 20 + index]
            )
        assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]
        assert open_edge.get("/v2/models/sum").status_code == 200
        for connection in held[:100]:
            connection.shutdown(socket.SHUT_WR)
        assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]
    finally:
        for connection in held:
            connection.close()


def test_headers_over_the_limit_are_refused(open_edge: Any) -> None:
    assert open_edge.sending(**{"x-large": "x" * 40_000}).get("/v1/models").status_code == 431
    many = {f"x-header-{index}": "x" for index in range(150)}
    assert open_edge.sending(**many).get("/v1/models").status_code == 431


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v2/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v2/models/sum/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /v2/x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v2/models/sum/infer HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 64,
    ],
    ids=["TLS", "version", "bytes", "two lengths", "length and chunks", "negative length", "broken HTTP/2"],
)
def test_garbage_is_refused_by_the_edge_alone(open_edge: Any, garbage: bytes) -> None:
    http = open_edge.running.edge.settings.listening.http
    with socket.create_connection((http.host, http.port), timeout=10) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 200 " not in answer
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]


def _deep(levels: int) -> bytes:
    return b"[" * levels


ENDING = {
    # 2.51 keeps a pointer for each chunk on its stack.
    "tiny chunks": lambda: (b" " for _ in range(150_000)),
    # It parses JSON as deep as that goes.
    "deep lists": lambda: _deep(300_000),
    "deep objects": lambda: b'{"a":' * 300_000,
    "deep and packed": lambda: gzip.compress(_deep(300_000)),
    "deep behind a lie": lambda: b"{}" + _deep(300_000),
}


@pytest.mark.parametrize("body", ENDING.values(), ids=list(ENDING))
@pytest.mark.parametrize("path", ["/v2/models/sum/infer", "/v2/models/sum/generate", "/v2/repository/index"])
def test_what_ends_this_triton_does_not_reach_it(open_edge: Any, path: str, body: Callable[[], Any]) -> None:
    content = body()
    packed = isinstance(content, bytes) and content.startswith(b"\x1f\x8b")
    caller = open_edge.sending(**{"content-encoding": "gzip"}) if packed else open_edge
    assert caller.post(path, content=content).status_code >= 400
    # The length of the JSON, as only the caller says it: Triton may take any of these for anything.
    for length in ("2", "99999999", "-1", "0x2", "+2", "2, 2") if isinstance(content, bytes) else ():
        assert caller.sending(**{"inference-header-content-length": length}).post(path, content=content)
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]


def test_json_with_many_brackets_is_refused_by_name(open_edge: Any) -> None:
    answer = open_edge.post("/v2/models/sum/infer", content=_deep(30_000))
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "more than 25000 brackets in JSON: send the tensor flat, or as binary"},
    )


def test_brackets_in_a_tensor_are_no_json(open_edge: Any, tensors: Any) -> None:
    # "[[[[" as FP32.
    numbers = np.frombuffer(b"[" * 400_000, np.float32)
    with open_edge.triton_http() as client:
        answer = client.infer("sum", tensors(numbers, httpclient))
    assert answer.as_numpy("total").item() > 0


def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(open_edge: Any) -> None:
    bomb = gzip.compress(b" " * (200 * 2**20), 9)
    assert len(bomb) < 2**20
    answer = open_edge.sending(**{"content-encoding": "gzip"}).post("/v2/models/sum/infer", content=bomb)
    assert answer.status_code >= 400
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip", "gzip, deflate"])
def test_what_the_edge_cannot_unpack_is_refused(open_edge: Any, encoding: str) -> None:
    answer = open_edge.sending(**{"content-encoding": encoding}).post("/v2/models/sum/infer", content=b"x")
    assert (answer.status_code, answer.json()) == (415, {"error": "a body is packed with gzip or not at all"})


def _who(call: Any) -> str:
    _, finished = call.with_call(b"", timeout=10)
    return str(dict(finished.trailing_metadata())["standing-in"])


BODY = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}


def _ask_over_http(caller: Any, model: str) -> str:
    answer = httpx.post(f"{caller.url}/v2/models/{model}/infer", json=BODY, timeout=25)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    return str(answer.json()["error"])


def _ask_over_grpc(caller: Any, model: str) -> str:
    refused = caller.refusal(model)
    assert refused.status() == UNAVAILABLE
    return str(refused.message())


def _pending(server: Any, model: str) -> float:
    text = httpx.get(f"http://{server.metrics}/metrics", timeout=10).text
    counts = [line for line in text.splitlines() if line.startswith("nv_inference_pending_request_count{")]
    return sum(float(line.split()[-1]) for line in counts if f'model="{model}"' in line)


def _status(caller: Any, path: str) -> int:
    """0 where no answer comes: a call over HTTP that a stopped server has taken waits for it."""
    try:
        return httpx.get(caller.url + path, timeout=1).status_code
    except httpx.TransportError:
        return 0


def _serves(caller: Any) -> bool:
    try:
        caller.infer("sum")
    except InferenceServerException:
        return False
    return True


def test_an_edge_on_a_path_too_long_for_a_socket_says_so(make_edge: Callable[..., Any], triton: Any) -> None:
    edge = make_edge(triton, folder="x" * 120)
    with pytest.raises(Exception, match="a socket's path 107 at most"):
        edge.prepare()
    assert not Path(edge.files.root).exists()
