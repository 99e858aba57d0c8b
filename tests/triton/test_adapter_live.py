import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.settling import becomes, settled

TENANT = "x-conch-tenant"
REQUEST_ID = "x-conch-request-id"


def test_unequal_inputs_execute_in_one_batch(small):
    def counts() -> tuple[float, ...]:
        names = ("conch_model_executions", "conch_model_rows", "nv_inference_exec_count", "nv_inference_count")
        return tuple(small.metric(name, model="ledger") for name in names)

    before = settled(counts)
    with small.holding("ledger"):
        calls = [small.start("ledger", small.row([1.0] * length)) for length in range(1, 9)]
        small.await_queue("ledger", len(calls))
    assert [call.result() for call in calls] == [
        {"total": float(length), "label": "", "tenant": "default", "request_id": "", "neighbours": 8}
        for length in range(1, 9)
    ]
    # The call that was held, and one batch of eight.
    wanted = tuple(then + more for then, more in zip(before, (2, 9, 2, 9), strict=True))
    assert becomes(counts, wanted) == wanted


def test_equal_inputs_of_a_stacked_model_are_predicted_together_and_others_apart(small):
    inputs = [small.row(numbers) for numbers in ([1.0], [2.0], [3.0, 3.0])]

    def counts() -> tuple[float, ...]:
        return tuple(small.metric(f"conch_model_{what}", model="double") for what in ("executions", "rows"))

    executions, rows = settled(counts)
    answers = [call.result() for call in [small.start("double", arrays) for arrays in inputs]]
    assert [answer["doubled"] for answer in answers] == [2.0, 4.0, [6.0, 6.0]]
    now_executions, now_rows = settled(counts)
    assert now_rows - rows == 3
    assert 2 <= now_executions - executions <= 3


@pytest.mark.parametrize(
    ("bad", "status", "says"),
    [
        ([-1.0], "INVALID_ARGUMENT", "model ledger: negative numbers are not taken"),
        ([13.0], "INTERNAL", "model ledger: internal error"),
        ([np.nan, 0.0], "INVALID_ARGUMENT", "model ledger: input numbers has 1 of 2 values that are NaN or infinite"),
    ],
    ids=["refused by the model", "a bug", "NaN"],
)
def test_a_bad_request_in_a_batch_fails_alone(small, bad, status, says):
    with small.holding("ledger"):
        calls = [small.start("ledger", small.row(numbers)) for numbers in ([1.0], bad, [2.0, 2.0])]
        small.await_queue("ledger", 3)
    first, failed, last = calls
    assert (first.result()["total"], last.result()["total"]) == (1.0, 4.0)
    assert (failed.error().status(), failed.error().message()) == (f"StatusCode.{status}", says)


def test_text_that_is_not_utf_8_fails_alone(small):
    with small.holding("ledger"):
        calls = [small.start("ledger", small.row([1.0], label)) for label in (b"\xff\xfe", "fine")]
        small.await_queue("ledger", 2)
    assert calls[0].error().message() == "model ledger: input label is not UTF-8: invalid start byte at byte 0"
    assert calls[1].result()["label"] == "fine"


def test_a_bug_s_details_stay_in_the_server_s_log(small):
    assert "secret detail" not in str(small.refusal("ledger", small.row([13.0])))
    assert "secret detail" in small.server.log.read_text()


def test_refusals_are_counted_by_their_class(small):
    def refused() -> tuple[float, ...]:
        return tuple(
            small.metric("conch_model_refused", model="ledger", reason=reason)
            for reason in ("InvalidRequest", "Internal")
        )

    invalid, internal = settled(refused)
    small.refusal("ledger", small.row([-1.0]))
    small.refusal("ledger", small.row([np.inf]))
    small.refusal("ledger", small.row([13.0]))
    assert becomes(refused, (invalid + 2, internal + 1)) == (invalid + 2, internal + 1)


@pytest.mark.parametrize(
    ("number", "label"),
    [(np.nan, "x"), (-1.0, "x"), (13.0, "x"), (1.0, b"\xff")],
    ids=["NaN", "refused by the model", "a bug", "not UTF-8"],
)
def test_a_refused_request_leaves_its_tensors_to_the_next(small, number, label):
    def refused() -> int:
        small.refusal("ledger", small.row(np.full(2**21, number), label))
        return small.shared_memory_bytes()

    sizes = [refused() for _ in range(4)]
    assert sizes[1:] == sizes[:1] * 3


def test_rows_of_one_request_are_answered_as_one(small):
    numbers = np.array([[1.0, 1.0], [2.0, 2.0]], np.float32)
    answer = small.infer("ledger", {"numbers": numbers, "label": np.array([["a"], ["b"]], dtype=object)})
    assert (answer["total"], answer["label"]) == ([2.0, 4.0], ["a", "b"])


def test_a_model_that_triton_does_not_batch_takes_inputs_without_a_batch_dimension(small):
    answer = small.infer("unbatched", {"numbers": np.array([1.0, 2.0], np.float32)})
    assert (answer["total"], answer["neighbours"]) == (3.0, 1)
    assert small.refusal("unbatched", {"numbers": np.array([-1.0], np.float32)}).message() == (
        "model unbatched: negative numbers are not taken"
    )


def test_an_ensemble_s_error_names_the_step_that_failed(small):
    # The second step is given the sum of the first one's numbers.
    assert "model single: internal error" in small.refusal("chain", small.row([6.0, 7.0], "x")).message()
    assert "model ledger: internal error" in small.refusal("chain", small.row([13.0], "x")).message()


def test_a_twin_of_another_name_serves_the_same_class_under_its_own_name(small):
    assert small.infer("ledger-canary", small.row([1.0, 2.0]))["total"] == 3.0
    assert small.refusal("ledger-canary", small.row([-1.0])).message() == (
        "model ledger-canary: negative numbers are not taken"
    )


def test_forwarded_headers_reach_the_model(small):
    answer = small.infer("ledger", small.row([1.0]), headers={TENANT: "acme", REQUEST_ID: "r1"})
    assert (answer["tenant"], answer["request_id"]) == ("acme", "r1")


def test_forwarded_headers_reach_every_step_of_an_ensemble(small):
    answer = small.infer("chain", small.row([1.0], "x"), headers={TENANT: "acme", REQUEST_ID: "r1"})
    assert (answer["first_tenant"], answer["second_tenant"], answer["second_request_id"]) == ("acme", "acme", "r1")


def test_neighbours_in_a_batch_keep_their_own_identity(small):
    with small.holding("ledger"):
        calls = [small.start("ledger", small.row([1.0]), headers={TENANT: tenant}) for tenant in ("a", "b", "c")]
        small.await_queue("ledger", 3)
    assert [(call.result()["tenant"], call.result()["neighbours"]) for call in calls] == [("a", 3), ("b", 3), ("c", 3)]


def test_triton_s_request_id_stands_in_where_no_header_comes(small):
    assert small.infer("ledger", small.row([1.0]), request_id="own-id")["request_id"] == "own-id"


@pytest.mark.parametrize("model", ["ledger", "chain"])
@pytest.mark.parametrize("name", [TENANT, "X-Conch-Tenant"])
def test_a_body_parameter_beside_the_header_is_refused(small, model, name):
    error = small.refusal(model, small.row([1.0], "x"), headers={TENANT: "acme"}, parameters={name: "someone-else"})
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    assert "model ledger: x-conch-tenant is given twice" in error.message()


def test_a_header_sent_twice_is_refused(small):
    stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(small.server.grpc))
    request = service_pb2.ModelInferRequest(model_name="ledger")
    request.inputs.add(name="numbers", datatype="FP32", shape=[1, 1]).contents.fp32_contents.append(1.0)
    with pytest.raises(grpc.RpcError, match="x-conch-tenant is given twice"):
        stub.ModelInfer(request, metadata=[(TENANT, "acme"), (TENANT, "other")])


def test_a_body_parameter_alone_cannot_be_told_from_the_header(small):
    # Hence the edge writes the header on every call that passes it.
    assert small.infer("ledger", small.row([1.0]), parameters={TENANT: "acme"})["tenant"] == "acme"


@pytest.mark.parametrize("value", [7, True], ids=["a number", "a truth value"])
def test_a_body_parameter_that_no_header_could_be_is_refused(small, value):
    assert "a header is text" in small.refusal("ledger", small.row([1.0]), parameters={TENANT: value}).message()


def test_a_body_parameter_in_quotes_does_not_break_out_of_them(small):
    forged = f'acme","{TENANT}":"other'
    assert small.infer("ledger", small.row([1.0]), headers={TENANT: forged})["tenant"] == forged


@pytest.mark.parametrize("header", [TENANT, "X-Conch-Tenant", "X-CONCH-TENANT"])
def test_forwarded_headers_reach_the_model_over_http(small, header):
    with httpclient.InferenceServerClient(small.server.http) as client:
        tensor = httpclient.InferInput("numbers", [1, 2], "FP32")
        tensor.set_data_from_numpy(np.ones((1, 2), np.float32))
        answer = client.infer("ledger", [tensor], headers={header: "acme"})
    assert answer.as_numpy("tenant").item() == b"acme"


@pytest.mark.parametrize(
    ("header", "request_id"), [(b"\xff\xfe", b"fine"), (b"fine", b"\xff\xfe")], ids=["a header", "an id"]
)
def test_bytes_that_are_not_utf_8_are_the_caller_s_mistake(small, header, request_id):
    body = b'{"id":"%s","inputs":[{"name":"numbers","shape":[1,1],"datatype":"FP32","data":[1.0]}]}' % request_id
    answer = httpx.post(
        f"http://{small.server.http}/v2/models/ledger/infer", content=body, headers={TENANT.encode(): header}
    )
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("model ledger: a header or the request's id is not UTF-8")


def test_a_stream_gives_every_answer_in_order(small):
    assert counted(small, 4) == ([4, 3, 2, 1], None)


def test_a_stream_may_be_empty(small):
    assert counted(small, 0) == ([], None)


def test_a_stream_that_fails_keeps_what_it_gave_before(small):
    answers, error = counted(small, 5, fail_at=3)
    assert answers == [5, 4]
    assert error.message() == "model countdown: InvalidRequest: asked to fail at 3"


def test_a_bug_in_a_stream_keeps_its_details(small):
    answers, error = counted(small, 14)
    assert answers == [14]
    assert error.message() == "model countdown: Internal: internal error"
    assert counted(small, 1) == ([1], None)


def test_a_cancelled_stream_stops_its_model(small):
    closed = small.repository.noted("countdown").count("stream closed")
    with grpcclient.InferenceServerClient(small.server.grpc) as client:
        received = []
        client.start_stream(callback=lambda result, error: received.append((result, error)))
        client.async_stream_infer("countdown", start_inputs(-1))
        small.until(lambda: len(received) > 2)
        client.stop_stream(cancel_requests=True)
    # From below 0 it would count for ever.
    small.until(lambda: small.repository.noted("countdown").count("stream closed") == closed + 1)
    assert counted(small, 1) == ([1], None)


def test_a_stream_that_ends_with_its_error_leaves_the_server_serving(small):
    # With this header the first error is the call's status, and what a model sends after it could end the server.
    headers = {"triton_grpc_error": "true"}
    answers, error = counted(small, 5, fail_at=3, headers=headers)
    assert (answers, error.status()) == ([5, 4], "StatusCode.INVALID_ARGUMENT")
    assert [counted(small, 2, headers=headers) for _ in range(5)] == [([2, 1], None)] * 5


def test_a_stream_of_two_rows_is_refused(small):
    received = []
    with grpcclient.InferenceServerClient(small.server.grpc) as client:
        client.start_stream(callback=lambda result, error: received.append(error))
        tensor = grpcclient.InferInput("start", [2, 1], "INT32")
        client.async_stream_infer("pairs", [tensor.set_data_from_numpy(np.array([[1], [2]], np.int32))])
        small.until(lambda: bool(received))
    assert received[0].message() == (
        "model pairs: InvalidRequest: the batch dimension is 2; a stream takes 1 row a request"
    )


def start_inputs(start: int, fail_at: int | None = None) -> list[grpcclient.InferInput]:
    inputs = []
    for name, value in (("start", start), ("fail_at", fail_at)):
        if value is not None:
            tensor = grpcclient.InferInput(name, [1, 1], "INT32")
            inputs.append(tensor.set_data_from_numpy(np.array([[value]], np.int32)))
    return inputs


def counted(small, start: int, fail_at: int | None = None, headers: dict[str, str] | None = None):
    """What a stream gave until its end, and the error that ended it."""
    received = []
    with grpcclient.InferenceServerClient(small.server.grpc) as client:
        client.start_stream(callback=lambda result, error: received.append((result, error)), headers=headers)
        client.async_stream_infer("countdown", start_inputs(start, fail_at), enable_empty_final_response=True)
        small.until(lambda: bool(received) and is_final(*received[-1]))
        client.stop_stream()
    answers = [result for result, error in received if error is None and result.get_response().outputs]
    errors = [error for _, error in received if error is not None]
    assert len(errors) < 2
    return [int(answer.as_numpy("count").item()) for answer in answers], errors[0] if errors else None


def is_final(result: grpcclient.InferResult | None, error: Exception | None) -> bool:
    return error is not None or result.get_response().parameters["triton_final_response"].bool_param
