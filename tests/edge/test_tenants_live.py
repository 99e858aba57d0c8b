"""What each tenant may call, how often, and how much at once: an edge with keys and a tenants file."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from google.protobuf.internal import encoder
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from conch.contracts.errors import InvalidRequest
from conch.stack.envoy import fronting

DENIED = "StatusCode.PERMISSION_DENIED"
EXHAUSTED = "StatusCode.RESOURCE_EXHAUSTED"
INFER = "/inference.GRPCInferenceService/ModelInfer"


def test_a_tenant_calls_its_models_and_no_others_over_grpc(keyed: Any) -> None:
    acme = keyed.caller("acme")
    assert acme.infer("sum").as_numpy("total").tolist() == [3.0]
    assert acme.refusal("other").status() == DENIED
    assert acme.refusal("no such model").status() == DENIED


@pytest.mark.parametrize(
    ("tenant", "models", "seconds"),
    [("acme", "held,sum", None), ("none", "-", None), ("beta", None, None), ("heard", None, "60")],
)
def test_the_gateway_is_told_a_tenants_limits_by_the_edge_alone(
    keyed: Any, tenant: str, models: str | None, seconds: str | None
) -> None:
    forged = {"x-conch-models": "other", "x-conch-audio-seconds-per-day": "1000000"}
    told = keyed.caller(tenant).sending(**forged).get("/v1/models").json()["headers"]
    assert (told.get("x-conch-models"), told.get("x-conch-audio-seconds-per-day")) == (models, seconds)


def test_a_tenant_calls_its_models_and_no_others_over_http(keyed: Any) -> None:
    acme = keyed.caller("acme")
    for path in ("", "/config", "/stats", "/versions/1", "/versions/1/config"):
        assert acme.get(f"/v2/models/sum{path}").status_code == 200, path
        refused = acme.get(f"/v2/models/other{path}")
        assert (refused.status_code, refused.json()) == (403, {"error": "this tenant may not call that model"}), path
    for call in ("infer", "generate", "generate_stream"):
        assert acme.post(f"/v2/models/other/{call}", json={}).status_code == 403
        assert acme.post(f"/v2/models/sumx/{call}", json={}).status_code == 403
        assert acme.post(f"/v2/models/sum/../other/{call}", json={}).status_code == 403
    body = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}
    assert acme.post("/v2/models/sum/infer", json=body).json()["outputs"][0]["data"] == [3.0]


def test_reading_about_a_model_needs_the_same_permission(keyed: Any) -> None:
    acme = keyed.caller("acme")
    with acme.triton() as client:
        headers = dict(acme.headers)
        assert client.get_model_metadata("sum", headers=headers).name == "sum"
        for read in (client.get_model_metadata, client.get_model_config, client.get_inference_statistics):
            with pytest.raises(InferenceServerException, match="PERMISSION_DENIED"):
                read("other", headers=headers)
        with pytest.raises(InferenceServerException, match="PERMISSION_DENIED"):
            client.get_inference_statistics(headers=headers)  # of all models
    assert acme.get("/v2/models/stats").status_code == 403


def test_a_name_that_is_said_twice_is_read_as_triton_reads_it(keyed: Any) -> None:
    acme = keyed.caller("acme")
    for first, second in (("sum", "other"), ("other", "sum")):
        request = _request(first) + b"\x0a" + _varint(len(second)) + second.encode()
        assert service_pb2.ModelInferRequest.FromString(request).model_name == second
        answer = acme.raw(INFER, request)
        if second == "sum":
            assert not isinstance(answer, grpc.RpcError) or answer.code() == grpc.StatusCode.PERMISSION_DENIED
        else:
            assert isinstance(answer, grpc.RpcError)
            assert answer.code() == grpc.StatusCode.PERMISSION_DENIED


def test_a_name_behind_a_field_of_another_type_is_read_as_triton_reads_it(keyed: Any) -> None:
    # Who goes by a field's number alone takes the number for a length, passes over "other", and finds "sum" again.
    passed_over = b"\x0a\x05other\x7a\x05"
    hidden = b"\x08" + bytes([len(passed_over)]) + passed_over + b"\x0a\x03sum"
    request = _request("sum") + hidden
    assert service_pb2.ModelInferRequest.FromString(request).model_name == "other"
    answer = keyed.caller("acme").raw(INFER, request)
    assert (answer.code(), answer.details()) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "this tenant may not call that model",
    )


def test_a_name_that_cannot_be_read_is_nobodys(keyed: Any) -> None:
    acme = keyed.caller("acme")
    for request in (b"", b"\xff\xff\xff", b"\x0a\xff\x01x", b"\x0a\x03\xff\xfe\xfd"):
        answer = acme.raw(INFER, request)
        assert isinstance(answer, grpc.RpcError)
        assert answer.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)
    with acme.triton() as client, pytest.raises(InferenceServerException) as refused:
        client.infer("other", _numbers(), headers=dict(acme.headers), compression_algorithm="gzip")
    assert refused.value.status() in (DENIED, "StatusCode.INVALID_ARGUMENT")


def test_a_large_tensor_of_a_tenant_with_a_list_of_models_passes(keyed: Any) -> None:
    assert keyed.caller("acme").infer("sum", np.ones(2**24)).as_numpy("total").tolist() == [2.0**24]


def test_a_tenant_with_no_models_calls_the_gateway_alone(keyed: Any) -> None:
    nothing = keyed.caller("none")
    assert nothing.refusal("sum").status() == DENIED
    assert nothing.get("/v2/models/sum").status_code == 403
    assert nothing.get("/v1/models").status_code == 200


def test_streams_are_a_permission_of_their_own(keyed: Any) -> None:
    assert _countdown(keyed.caller("streamer")) == [2, 1]
    for tenant in ("beta", "acme"):
        refused = _countdown(keyed.caller(tenant))[0]
        assert "PERMISSION_DENIED" in str(refused) or "may not open ModelStreamInfer" in str(refused)


def test_too_many_calls_a_second_are_refused_with_when_to_come_back(keyed: Any) -> None:
    slow = keyed.caller("slow")
    answers = [slow.get("/v1/models") for _ in range(8)]
    served = [answer.status_code for answer in answers].count(200)
    assert 3 <= served < 8
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["type"] == "rate_limit_error"


def test_too_many_calls_a_second_are_refused_the_same_over_grpc(keyed: Any) -> None:
    slow = keyed.caller("slow")
    with slow.channel() as channel:
        call = channel.unary_unary("/conch.test.Talk/Say")
        with pytest.raises(grpc.RpcError) as refused:  # noqa: PT012 - which of them is refused does not matter
            for _ in range(20):
                call(b"", metadata=slow.metadata, timeout=10)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(refused.value.trailing_metadata())["retry-after"] == "1"
    assert slow.refusal("sum").status() == EXHAUSTED


def test_one_tenants_limit_is_not_anothers(keyed: Any) -> None:
    slow, beta = keyed.caller("slow"), keyed.caller("beta")
    while slow.get("/v1/models").status_code == 200:
        pass
    assert beta.get("/v1/models").status_code == 200


def test_too_many_calls_at_once_are_refused_the_same_way(keyed: Any, gates: Path, until: Any) -> None:
    narrow = keyed.caller("narrow")
    with _held_calls(narrow, gates, 2, keyed, until) as calls:
        refused = narrow.refusal("sum")
        assert refused.status() == EXHAUSTED
        assert "at once" in refused.message()
        assert keyed.caller("beta").infer("sum").as_numpy("total").tolist() == [3.0]
    assert [call.result(20).as_numpy("total").tolist() for call in calls] == [[3.0], [3.0]]
    assert narrow.infer("sum").as_numpy("total").tolist() == [3.0]


def test_too_many_calls_at_once_are_refused_the_same_over_http(keyed: Any, gates: Path, until: Any) -> None:
    narrow = keyed.caller("narrow")
    body = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [1], "data": [1]}]}
    answers: queue.Queue[int] = queue.Queue()

    def call() -> None:
        answers.put(narrow.post("/v2/models/held/infer", json=body).status_code)

    gate = gates / "held"
    gate.touch()
    threads = [threading.Thread(target=call) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        until(lambda: _active(keyed, "triton_http.narrow") == 2)
        refused = narrow.post("/v2/models/sum/infer", json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json() == {"error": "too many calls at once"}
    finally:
        gate.unlink()
    for thread in threads:
        thread.join(20)
    assert [answers.get_nowait() for _ in threads] == [200, 200]


def test_a_changed_tenants_file_counts_at_once_and_a_wrong_one_not_at_all(
    make_edge: Callable[..., Any], triton: Any, make_keyed: Callable[..., Any], until: Any
) -> None:
    edge = make_edge(triton)
    edge.tenants_file.write_text('[tenants.acme]\nmodels = ["sum"]\n')
    token = edge.keys.create("acme")[1]
    with fronting(edge) as running:
        acme = make_keyed(running).holding(token)
        assert acme.get("/v2/models/other").status_code == 403
        edge.tenants_file.write_text('[tenants.acme]\nmodels = ["sum", "other"]\ncalls_at_once = 3\n')
        assert edge.publish_tenants()
        until(lambda: acme.get("/v2/models/other").status_code == 200)
        edge.tenants_file.write_text("[tenants.acme]\nmodels = 7\n")
        with pytest.raises(InvalidRequest, match="not a list of models' names"):
            edge.publish_tenants()
        assert acme.get("/v2/models/other").status_code == 200


@contextlib.contextmanager
def _held_calls(caller: Any, gates: Path, count: int, keyed: Any, until: Any) -> Iterator[list[Future[Any]]]:
    """So many gRPC calls on their way while the context is open."""
    gate = gates / "held"
    gate.touch()
    with grpcclient.InferenceServerClient(caller.grpc_address) as client:
        calls: list[Future[Any]] = [Future() for _ in range(count)]
        for call in calls:
            client.async_infer(
                "held", _numbers(), callback=_finish(call), headers=dict(caller.headers), client_timeout=30
            )
        try:
            until(lambda: _active(keyed, "triton_grpc.narrow") == count)
            yield calls
        finally:
            gate.unlink()
        for call in calls:
            call.exception(timeout=20)


def _finish(call: Future[Any]) -> Callable[[Any, Any], None]:
    return lambda result, error: call.set_exception(error) if error else call.set_result(result)


def _active(keyed: Any, cluster: str) -> int:
    text = keyed.running.admin(f"/stats?filter=^cluster.{cluster}.upstream_rq_active$")
    return int(text.rpartition(":")[2])


def _numbers() -> list[Any]:
    tensor = grpcclient.InferInput("numbers", [2], "FP32")
    tensor.set_data_from_numpy(np.array([1, 2], np.float32))
    return [tensor]


def _request(model: str) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="numbers", datatype="FP32", shape=[2])
    request.raw_input_contents.append(np.array([1, 2], np.float32).tobytes())
    data: bytes = request.SerializeToString()
    return data


def _varint(number: int) -> bytes:
    parts: list[bytes] = []
    encoder._EncodeVarint(parts.append, number)
    return b"".join(parts)


def _countdown(caller: Any) -> list[Any]:
    """The counts, or the error that came in their place."""
    answers: queue.Queue[Any] = queue.Queue()
    start = grpcclient.InferInput("start", [1], "INT32")
    start.set_data_from_numpy(np.array([2], np.int32))
    with grpcclient.InferenceServerClient(caller.grpc_address) as client:
        client.start_stream(
            lambda result, error: answers.put(error or result.as_numpy("count").item()), headers=dict(caller.headers)
        )
        with contextlib.suppress(InferenceServerException):  # a refused stream may have ended by now
            client.async_stream_infer("countdown", [start])
        first = answers.get(timeout=20)
        return [first] if isinstance(first, Exception) else [first, answers.get(timeout=20)]
