"""Which server answers which call, and what arrives there: an edge without keys."""

import json
import queue
import re
from dataclasses import replace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from conch.edge import kserve

SERVICE = "/inference.GRPCInferenceService/"


def test_inference_over_grpc_reaches_triton(open_edge: Any) -> None:
    assert open_edge.infer("sum", [1.0, 2.0, 4.0]).as_numpy("total").tolist() == [7.0]


def test_inference_over_http_reaches_triton(open_edge: Any, tensors: Any) -> None:
    with open_edge.triton_http() as client:
        assert client.infer("sum", tensors([1.0, 2.0, 4.0], httpclient)).as_numpy("total").tolist() == [7.0]


def test_reading_calls_reach_triton(open_edge: Any) -> None:
    with open_edge.triton() as client:
        assert client.get_server_metadata().name == "triton"
        assert client.get_model_metadata("sum").inputs[0].name == "numbers"
        assert client.get_model_config("sum").config.backend == "python"
        assert client.get_inference_statistics("sum").model_stats[0].name == "sum"
        assert {model.name for model in client.get_model_repository_index().models} >= {"sum", "countdown"}


def test_reading_calls_over_http_reach_triton(open_edge: Any) -> None:
    with open_edge.triton_http() as client:
        assert client.get_server_metadata()["name"] == "triton"
        assert client.get_model_metadata("sum", "1")["name"] == "sum"
        assert client.get_model_config("sum")["backend"] == "python"
        assert client.get_inference_statistics("sum")["model_stats"][0]["name"] == "sum"
        assert {model["name"] for model in client.get_model_repository_index()} >= {"sum", "countdown"}
        assert len(client.get_inference_statistics()["model_stats"]) >= 4


def test_health_is_the_gateways_to_tell(open_edge: Any, gateway: Any) -> None:
    with open_edge.triton() as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("no such model")  # Triton would say no
    assert gateway.seen[-3:] == [SERVICE + "ServerLive", SERVICE + "ServerReady", SERVICE + "ModelReady"]


@pytest.mark.parametrize(
    "path", ["/v2/health/live", "/v2/health/ready", "/v2/models/sum/ready", "/v2/models/sum/versions/1/ready"]
)
def test_health_over_http_is_the_gateways_to_tell(open_edge: Any, path: str) -> None:
    assert open_edge.get(path).json()["by"] == "gateway"


@pytest.mark.parametrize(
    "method", ["/conch.voice.v1.Voice/Transcribe", "/grpc.health.v1.Health/Check", "/grpc.reflection.v1.X/Y"]
)
def test_all_other_grpc_reaches_the_gateway(open_edge: Any, method: str) -> None:
    assert open_edge.told(method)["path"] == method


@pytest.mark.parametrize("path", ["/", "/v1/models", "/health", "/docs", "/v2x"])
def test_all_other_http_reaches_the_gateway(open_edge: Any, path: str) -> None:
    assert open_edge.get(path).json()["path"] == path


def test_a_stream_of_many_messages_passes_both_ways(open_edge: Any) -> None:
    with open_edge.channel() as channel:
        call = channel.stream_stream("/conch.test.Talk/Listen")(iter([b"a", b"bb", b"ccc"]), timeout=20)
        assert [json.loads(answer)["size_bytes"] for answer in call] == [1, 2, 3]


def test_an_answer_arrives_before_the_stream_is_closed(open_edge: Any) -> None:
    requests: queue.Queue[bytes | None] = queue.Queue()
    with open_edge.channel() as channel:
        call = channel.stream_stream("/conch.test.Talk/Listen")(iter(requests.get, None), timeout=20)
        for text in (b"first", b"second"):
            requests.put(text)
            assert json.loads(next(call))["size_bytes"] == len(text)
        requests.put(None)


def test_trailers_and_a_status_survive(open_edge: Any) -> None:
    with open_edge.channel() as channel:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/conch.test.Talk/Fail")(b"", timeout=20)
        assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.ABORTED, "asked to fail")
        assert ("standing-in", "gateway") in [tuple(pair) for pair in failed.value.trailing_metadata()]


def test_a_cancellation_reaches_the_server(open_edge: Any, gateway: Any) -> None:
    gateway.cancelled.clear()
    with open_edge.channel() as channel:
        call = channel.unary_stream("/conch.test.Talk/Wait")(b"hello")
        next(call)
        call.cancel()
        assert gateway.cancelled.wait(5)


def test_a_deadline_ends_the_call_at_the_server_too(open_edge: Any, gateway: Any) -> None:
    gateway.cancelled.clear()
    with open_edge.channel() as channel:
        call = channel.unary_stream("/conch.test.Talk/Wait")(b"hello", timeout=0.5)
        next(call)
        with pytest.raises(grpc.RpcError) as late:
            next(call)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert gateway.cancelled.wait(5)


def test_a_compressed_request_passes(open_edge: Any, tensors: Any) -> None:
    with open_edge.triton() as client:
        answer = client.infer("sum", tensors(np.ones(5000)), compression_algorithm="gzip")
    assert answer.as_numpy("total").tolist() == [5000.0]


def test_a_compressed_request_over_http_passes(open_edge: Any, tensors: Any) -> None:
    with open_edge.triton_http() as client:
        answer = client.infer(
            "sum",
            tensors(np.ones(5000), httpclient),
            request_compression_algorithm="gzip",
            response_compression_algorithm="gzip",
        )
    assert answer.as_numpy("total").tolist() == [5000.0]


@pytest.mark.parametrize("client", [grpcclient, httpclient], ids=["gRPC", "HTTP"])
def test_a_tensor_of_64_mib_passes(open_edge: Any, tensors: Any, client: Any) -> None:
    large = tensors(np.ones(2**24), client)
    with open_edge.triton() if client is grpcclient else open_edge.triton_http() as triton:
        assert triton.infer("sum", large).as_numpy("total").tolist() == [2.0**24]


def test_a_request_over_the_limit_is_refused(open_edge: Any, tensors: Any) -> None:
    with open_edge.triton() as client, pytest.raises(InferenceServerException) as refused:
        client.infer("sum", tensors(np.ones(20 * 2**20)))
    assert refused.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert "75497472 bytes" in refused.value.message()


def test_a_request_over_the_limit_is_refused_over_http(open_edge: Any) -> None:
    size = 80 * 2**20
    announced = open_edge.post("/v2/models/sum/infer", content=b"x" * size)
    assert (announced.status_code, announced.json()) == (413, {"error": "the request has more than 75497472 bytes"})
    chunked = open_edge.post("/v2/models/sum/infer", content=(b"x" * 2**20 for _ in range(80)))
    assert chunked.status_code == 413


def test_a_decoupled_model_streams(open_edge: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    start = grpcclient.InferInput("start", [1], "INT32")
    start.set_data_from_numpy(np.array([5], np.int32))
    with open_edge.triton() as client:
        client.start_stream(lambda result, error: answers.put(error or result.as_numpy("count").item()))
        client.async_stream_infer("countdown", [start])
        assert [answers.get(timeout=20) for _ in range(5)] == [5, 4, 3, 2, 1]


def test_triton_cancels_a_stream_that_its_caller_left(open_edge: Any) -> None:
    start = grpcclient.InferInput("start", [1], "INT32")
    start.set_data_from_numpy(np.array([3], np.int32))
    answers: queue.Queue[Any] = queue.Queue()
    with open_edge.triton() as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        client.async_stream_infer("countdown", [start])
        answers.get(timeout=20)
        client.stop_stream(cancel_requests=True)
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]


FORGED = {
    "x-conch-tenant": "evil",
    "x-conch-request-id": "forged",
    "x-conch-operator": "true",
    "x-conch-key": "forged",
    "X-Conch-Anything": "forged",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "forged=1",
    "x-envoy-upstream-rq-timeout-ms": "1",
}


def test_forged_headers_do_not_reach_the_gateway(open_edge: Any) -> None:
    caller = open_edge.sending(**FORGED)
    for headers in (
        caller.get("/v1/models").json()["headers"],
        open_edge.sending(**{name.lower(): value for name, value in FORGED.items()}).told("/conch.test.Talk/Say")[
            "headers"
        ],
    ):
        assert headers["x-conch-tenant"] == "default"
        assert "forged" not in json.dumps(headers)
        assert "x-conch-operator" not in headers
        assert "0af7651916cd43dd8448eb211c80319c" not in headers["traceparent"]
        assert len(headers["x-conch-request-id"]) == 36


def test_the_header_that_can_end_triton_is_taken_away(open_edge: Any) -> None:
    caller = replace(open_edge, headers={"triton_grpc_error": "true"})
    assert "triton_grpc_error" not in caller.told("/conch.test.Talk/Say")["headers"]


def test_forged_headers_do_not_reach_a_model(open_edge: Any) -> None:
    caller = open_edge.sending(**{name.lower(): value for name, value in FORGED.items()})
    tenant, request_id, traceparent = caller.infer("sum").as_numpy("identity").tolist()
    assert tenant == b"default"
    assert len(request_id) == 36
    assert traceparent.startswith(b"00-")
    assert b"0af7651916cd43dd8448eb211c80319c" not in traceparent


@pytest.mark.parametrize("name", ["x-conch-tenant", "x-conch-request-id", "traceparent"])
def test_a_body_that_forges_an_identity_is_refused(open_edge: Any, name: str) -> None:
    refused = open_edge.refusal("sum", parameters={name: "evil"})
    assert refused.status() == "StatusCode.INVALID_ARGUMENT"
    assert name in refused.message()


def test_every_call_has_an_id_of_its_own_and_the_caller_is_told(open_edge: Any) -> None:
    answers = [open_edge.get("/v1/models") for _ in range(2)]
    ids = [answer.headers["x-conch-request-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert [answer.json()["headers"]["x-conch-request-id"] for answer in answers] == ids
    assert all(answer.headers["x-request-id"] for answer in answers)


def test_every_call_has_a_trace_of_its_own_that_nobody_samples(open_edge: Any) -> None:
    headers = [open_edge.get("/v1/models").json()["headers"]["traceparent"] for _ in range(2)]
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", header) for header in headers)
    assert len({header.split("-")[1] for header in headers}) == 2


def test_the_log_names_the_trace_of_a_call_that_failed(open_edge: Any, until: Any) -> None:
    failed = open_edge.get("/v2/logging")
    request_id = failed.headers["x-conch-request-id"]
    until(lambda: request_id in open_edge.running.log.read_text())
    (line,) = [one for one in open_edge.running.log.read_text().splitlines() if request_id in one]
    assert re.fullmatch(f"[0-9]{{19}}{request_id[:8]}00000", json.loads(line)["trace_id"])


def test_a_callers_own_id_is_given_back_to_it(open_edge: Any) -> None:
    mine = "3f1c6b1e-1c5e-4c39-9f7f-3b8d4b1a2c3d"
    answer = open_edge.sending(x_request_id=mine).get("/v1/models")
    assert answer.headers["x-request-id"] == mine
    assert answer.headers["x-conch-request-id"] != mine


def test_a_refusal_has_an_id_too(open_edge: Any) -> None:
    assert len(open_edge.get("/v2/logging").headers["x-conch-request-id"]) == 36


def test_keys_shown_to_an_edge_that_asks_for_none_go_no_further(open_edge: Any) -> None:
    headers = open_edge.sending(authorization="Bearer sk-123", x_api_key="secret").get("/v1/models").json()["headers"]
    assert not {"authorization", "x-api-key"} & headers.keys()


OURS = {*kserve.HEALTH, *kserve.READING, kserve.INFER, kserve.STREAM}
OPERATOR_METHODS = sorted(set(service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name) - OURS)


@pytest.mark.parametrize("method", [*OPERATOR_METHODS, "SomethingNew"])
def test_an_operators_call_is_refused(open_edge: Any, method: str) -> None:
    refused = open_edge.raw(SERVICE + method)
    assert isinstance(refused, grpc.RpcError)
    assert (refused.code(), refused.details()) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "this call needs an operator's key",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/models/sum/load",
        "/v2/repository/models/sum/unload",
        "/v2/systemsharedmemory/status",
        "/v2/systemsharedmemory/region/x/register",
        "/v2/cudasharedmemory/status",
        "/v2/trace/setting",
        "/v2/models/sum/trace/setting",
        "/v2/logging",
        "/v2//logging",
        "/v2/models/../logging",
        "/v2/something/new",
    ],
)
def test_an_operators_call_over_http_is_refused(open_edge: Any, path: str) -> None:
    answer = _exactly(open_edge, "POST", path)
    assert (answer.status_code, answer.json()) == (403, {"error": "this call needs an operator's key"})


@pytest.mark.parametrize("path", ["/v2/models/..%2flogging", "/v2/models/sum%00/infer", "/v2/models/s%C3%BCm/infer"])
def test_an_escaped_path_is_refused(open_edge: Any, path: str) -> None:
    assert _exactly(open_edge, "POST", path).status_code == 400


def test_a_path_that_need_not_be_escaped_is_read_as_what_it_is(open_edge: Any) -> None:
    assert _exactly(open_edge, "GET", "/v2/models/%73um").json()["name"] == "sum"
    assert _exactly(open_edge, "POST", "/v2/%6cogging").status_code == 403


def _exactly(caller: Any, method: str, path: str) -> httpx.Response:
    """httpx would tidy the path."""
    with httpx.Client() as client:
        request = client.build_request(method, caller.url, extensions={"target": path.encode()})
        return client.send(request)


def test_a_named_tenant_must_be_ones_own(open_edge: Any) -> None:
    assert open_edge.sending(x_tenant_id="default").get("/v1/models").status_code == 200
    refused = open_edge.sending(x_tenant_id="acme").get("/v1/models")
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "error": {
                "message": "X-Tenant-ID is not the key's tenant",
                "type": "permission_error",
                "param": None,
                "code": "permission_denied",
            }
        },
    )
    assert open_edge.sending(**{"x-tenant-id": "acme"}).refusal("sum").status() == "StatusCode.PERMISSION_DENIED"


def test_malformed_protobuf_is_refused_and_triton_stays(open_edge: Any) -> None:
    refused = open_edge.raw(SERVICE + "ModelInfer", b"\xff\xff\xff")
    assert isinstance(refused, grpc.RpcError)
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]


def test_one_scrape_address_has_tritons_metrics_and_the_edges(open_edge: Any) -> None:
    metrics = f"http://{open_edge.running.edge.settings.listening.metrics}"
    assert "nv_inference_request_success" in httpx.get(f"{metrics}/metrics").text
    assert "nv_inference_request_success" in httpx.get(f"{metrics}/metrics/triton").text
    assert "envoy_http_downstream_rq_total" in httpx.get(f"{metrics}/metrics/edge").text
    assert httpx.get(f"{metrics}/quitquitquit").status_code == 404


def test_service_messages_are_tritons_own(open_edge: Any) -> None:
    reply = open_edge.raw(SERVICE + "ServerMetadata")
    assert service_pb2.ServerMetadataResponse.FromString(reply).name == "triton"


def test_what_does_not_say_that_it_is_grpc_is_not_taken_for_it(open_edge: Any) -> None:
    answer = open_edge.post(SERVICE + "ModelInfer", content=b"\x00\x00\x00\x00\x00")
    assert answer.status_code == 415


def test_the_log_has_a_line_for_a_call_that_failed_and_none_for_others(open_edge: Any, until: Any) -> None:
    good = [open_edge.get("/v2").headers["x-conch-request-id"], _request_id(open_edge, "sum")]
    bad = [open_edge.get("/v2/models/nobody").headers["x-conch-request-id"], _request_id(open_edge, "nobody")]
    # Envoy writes its log in turns.
    until(lambda: all(one in open_edge.running.log.read_text() for one in bad))
    assert [one for one in good if one in open_edge.running.log.read_text()] == []


def _request_id(caller: Any, model: str) -> str:
    """Of a gRPC call for the model's metadata."""
    with caller.channel() as channel:
        method = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
        call = method.future(b"\x0a" + bytes([len(model)]) + model.encode(), timeout=20)
        return str(dict(call.initial_metadata() or call.trailing_metadata())["x-conch-request-id"])
