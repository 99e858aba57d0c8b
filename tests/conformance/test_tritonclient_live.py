"""NVIDIA's own client, all four of it, as its users use it."""

import asyncio
import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio
from tritonclient.utils import InferenceServerException

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server

ROW = np.arange(16, dtype=np.int32)[None]


def tensor(client: ModuleType, name: str, values: Any, datatype: str, **options: Any) -> Any:
    made = client.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, **options)
    return made


def rows(client: ModuleType) -> list[Any]:
    return [tensor(client, name, ROW, "INT32") for name in ("INPUT0", "INPUT1")]


def text(said: str) -> list[Any]:
    return [tensor(grpcclient, "text_input", np.array([said.encode()], np.object_), "BYTES")]


@pytest.fixture
def over_grpc(ours_grpc: Server) -> Iterator[Any]:
    with grpcclient.InferenceServerClient(ours_grpc.grpc) as client:
        yield client


@pytest.fixture
def over_http(ours: Server) -> Iterator[Any]:
    with httpclient.InferenceServerClient(ours.url.partition("://")[2], network_timeout=60, concurrency=4) as client:
        yield client


@pytest.fixture
def headers(ours: Server) -> Mapping[str, str]:
    return ours.own_headers


@cites(Section.GRPC_HEALTH, Section.GRPC_SERVER_METADATA, Section.MODEL_CONFIGURATION, Section.STATISTICS)
def test_grpc_reads(over_grpc: Any, headers: Mapping[str, str]) -> None:
    assert over_grpc.is_server_live(headers=headers)
    assert over_grpc.is_server_ready(headers=headers)
    assert over_grpc.is_model_ready("add_sub", headers=headers)
    assert over_grpc.is_model_ready("add_sub", "1", headers=headers)
    assert not over_grpc.is_model_ready("no_such_model", headers=headers)
    assert over_grpc.get_server_metadata(headers=headers).name
    assert over_grpc.get_model_metadata("add_sub", as_json=True, headers=headers)["name"] == "add_sub"
    assert over_grpc.get_model_config("add_sub", headers=headers).config.max_batch_size == 8
    assert over_grpc.get_inference_statistics("add_sub", headers=headers).model_stats[0].name == "add_sub"
    assert {one.name for one in over_grpc.get_model_repository_index(headers=headers).models} >= {"add_sub", "repeat"}


@cites(Section.REST_HEALTH, Section.REST_SERVER_METADATA, Section.MODEL_CONFIGURATION, Section.STATISTICS)
def test_http_reads(over_http: Any, headers: Mapping[str, str]) -> None:
    assert over_http.is_server_live(headers=headers)
    assert over_http.is_server_ready(headers=headers)
    assert over_http.is_model_ready("add_sub", headers=headers)
    assert over_http.is_model_ready("add_sub", "1", headers=headers)
    assert not over_http.is_model_ready("no_such_model", headers=headers)
    assert over_http.get_server_metadata(headers=headers)["name"]
    assert over_http.get_model_metadata("add_sub", headers=headers)["name"] == "add_sub"
    assert over_http.get_model_config("add_sub", headers=headers)["max_batch_size"] == 8
    assert over_http.get_inference_statistics("add_sub", headers=headers)["model_stats"][0]["name"] == "add_sub"
    assert {one["name"] for one in over_http.get_model_repository_index(headers=headers)} >= {"add_sub", "repeat"}


@cites(Section.GRPC_HEALTH, Section.GRPC_MODEL_METADATA, Section.MODEL_CONFIGURATION, Section.STATISTICS)
async def test_grpc_aio_reads(ours_grpc: Server, headers: Mapping[str, str]) -> None:
    async with grpcaio.InferenceServerClient(ours_grpc.grpc) as client:
        assert await client.is_server_live(headers=headers)
        assert await client.is_server_ready(headers=headers)
        assert await client.is_model_ready("add_sub", headers=headers)
        assert (await client.get_model_metadata("add_sub", headers=headers)).name == "add_sub"
        assert (await client.get_model_config("add_sub", headers=headers)).config.max_batch_size == 8
        assert (await client.get_inference_statistics("add_sub", headers=headers)).model_stats
        assert (await client.get_model_repository_index(headers=headers)).models


@cites(Section.REST_HEALTH, Section.REST_MODEL_METADATA, Section.MODEL_CONFIGURATION, Section.STATISTICS)
async def test_http_aio_reads(ours: Server, headers: Mapping[str, str]) -> None:
    async with httpaio.InferenceServerClient(ours.url.partition("://")[2]) as client:
        assert await client.is_server_live(headers=headers)
        assert await client.is_server_ready(headers=headers)
        assert await client.is_model_ready("add_sub", headers=headers)
        assert (await client.get_model_metadata("add_sub", headers=headers))["name"] == "add_sub"
        assert (await client.get_model_config("add_sub", headers=headers))["max_batch_size"] == 8
        assert (await client.get_inference_statistics("add_sub", headers=headers))["model_stats"]
        assert await client.get_model_repository_index(headers=headers)


def check(answer: Any, request_id: str = "") -> None:
    assert (answer.as_numpy("OUTPUT0") == 2 * ROW).all()
    told = answer.get_response()
    assert (told.get("id", "") if isinstance(told, dict) else told.id) == request_id


@cites(Section.GRPC_INFERENCE)
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_grpc_infers(over_grpc: Any, headers: Mapping[str, str], compression: str | None) -> None:
    wanted = [grpcclient.InferRequestedOutput("OUTPUT0")]
    options = {"headers": headers, "compression_algorithm": compression, "request_id": "42", "model_version": "1"}
    answer = over_grpc.infer("add_sub", rows(grpcclient), outputs=wanted, **options)
    check(answer, "42")
    assert answer.as_numpy("OUTPUT1") is None


@cites(Section.REST_INFERENCE, Section.BINARY_DATA, Section.COMPRESSION)
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize(("sent", "returned"), [(None, None), ("gzip", "gzip"), ("gzip", "deflate")], ids=str)
def test_http_infers(
    over_http: Any, headers: Mapping[str, str], binary: bool, sent: str | None, returned: str | None
) -> None:
    inputs = [tensor(httpclient, name, ROW, "INT32", binary_data=binary) for name in ("INPUT0", "INPUT1")]
    answer = over_http.infer(
        "add_sub",
        inputs,
        outputs=[httpclient.InferRequestedOutput("OUTPUT0", binary_data=binary)],
        headers=headers,
        request_id="42",
        request_compression_algorithm=sent,
        response_compression_algorithm=returned,
    )
    check(answer, "42")


@cites(Section.GRPC_INFERENCE)
async def test_grpc_aio_infers(ours_grpc: Server, headers: Mapping[str, str]) -> None:
    async with grpcaio.InferenceServerClient(ours_grpc.grpc) as client:
        calls = [client.infer("add_sub", rows(grpcclient), headers=headers, request_id=str(n)) for n in range(20)]
        for number, answer in enumerate(await asyncio.gather(*calls)):
            check(answer, str(number))


@cites(Section.REST_INFERENCE)
async def test_http_aio_infers(ours: Server, headers: Mapping[str, str]) -> None:
    async with httpaio.InferenceServerClient(ours.url.partition("://")[2]) as client:
        calls = [client.infer("add_sub", rows(httpclient), headers=headers, request_id=str(n)) for n in range(20)]
        for number, answer in enumerate(await asyncio.gather(*calls)):
            check(answer, str(number))


@cites(Section.GRPC_INFERENCE)
def test_grpc_infers_in_the_background(over_grpc: Any, headers: Mapping[str, str]) -> None:
    answers: list[Future[Any]] = [Future() for _ in range(20)]
    for number, answer in enumerate(answers):

        def told(result: Any, error: Any, answer: Future[Any] = answer) -> None:
            answer.set_exception(error) if error else answer.set_result(result)

        over_grpc.async_infer("add_sub", rows(grpcclient), told, headers=headers, request_id=str(number))
    for number, answer in enumerate(answers):
        check(answer.result(60), str(number))


@cites(Section.REST_INFERENCE)
def test_http_infers_in_the_background(over_http: Any, headers: Mapping[str, str]) -> None:
    calls = [
        over_http.async_infer("add_sub", rows(httpclient), headers=headers, request_id=str(number))
        for number in range(20)
    ]
    for number, call in enumerate(calls):
        check(call.get_result(timeout=60), str(number))


@cites(Section.STREAMING)
def test_grpc_streams(over_grpc: Any, headers: Mapping[str, str]) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    over_grpc.start_stream(lambda result, error: answers.put(error or result), headers=headers)
    over_grpc.async_stream_infer("repeat", text("one two"), enable_empty_final_response=True, request_id="7")
    found = [answers.get(timeout=60).get_response() for _ in range(3)]
    assert [answer.parameters["triton_final_response"].bool_param for answer in found] == [False, False, True]
    assert {answer.id for answer in found} == {"7"}
    over_grpc.async_stream_infer("repeat", text("FAIL"))
    assert "asked to fail" in str(answers.get(timeout=60))
    over_grpc.async_stream_infer("repeat", text("after"))
    assert answers.get(timeout=60).as_numpy("text_output").tolist() == [b"after"]
    over_grpc.stop_stream()


@cites(Section.STREAMING)
async def test_grpc_aio_streams(ours_grpc: Server, headers: Mapping[str, str]) -> None:
    async def questions() -> Any:
        for number in range(3):
            yield {"model_name": "repeat", "inputs": text(f"a{number} b{number}")}

    async with grpcaio.InferenceServerClient(ours_grpc.grpc) as client:
        answers = [
            result.as_numpy("text_output").item()
            async for result, _ in client.stream_infer(questions(), headers=headers)
        ]
    assert answers == [b"a0", b"b0", b"a1", b"b1", b"a2", b"b2"]


@cites(Section.STREAMING)
def test_many_streams_run_side_by_side(ours_grpc: Server, headers: Mapping[str, str]) -> None:
    clients = [grpcclient.InferenceServerClient(ours_grpc.grpc) for _ in range(8)]
    answers: list[queue.Queue[Any]] = [queue.Queue() for _ in clients]
    for client, told in zip(clients, answers, strict=True):
        client.start_stream(lambda result, error, told=told: told.put(error or result), headers=headers)
    for number, client in enumerate(clients):
        client.async_stream_infer("repeat", text(f"a{number} b{number}"))
    for number, told in enumerate(answers):
        words = [told.get(timeout=60).as_numpy("text_output").item().decode() for _ in range(2)]
        assert words == [f"a{number}", f"b{number}"]
    for client in clients:
        client.close()


@cites(Section.GRPC_INFERENCE)
def test_a_connection_that_is_kept_alive_is_not_hung_up_on(ours_grpc: Server, headers: Mapping[str, str]) -> None:
    options = grpcclient.KeepAliveOptions(
        keepalive_time_ms=30_000, keepalive_timeout_ms=20_000, keepalive_permit_without_calls=True
    )
    with grpcclient.InferenceServerClient(ours_grpc.grpc, keepalive_options=options) as client:
        for _ in range(3):
            check(client.infer("add_sub", rows(grpcclient), headers=headers))


@cites(Section.GRPC_INFERENCE, Section.REST_ERROR)
def test_a_refusal_is_the_clients_own_exception(over_grpc: Any, over_http: Any, headers: Mapping[str, str]) -> None:
    for client, inputs, status in (
        (over_grpc, rows(grpcclient), "StatusCode.NOT_FOUND"),
        (over_http, rows(httpclient), "404"),
    ):
        with pytest.raises(InferenceServerException) as refused:
            client.infer("no_such_model", inputs, headers=headers)
        assert refused.value.status() == status
        assert "no_such_model" in refused.value.message()


@cites(Section.MODEL_REPOSITORY, Section.SHARED_MEMORY, Section.TRACE, Section.LOGGING)
def test_operators_calls_are_refused_without_an_operators_key_and_served_with_it(local: Any) -> None:
    with grpcclient.InferenceServerClient(local.edge.grpc) as client:
        for call in (
            lambda headers: client.load_model("add_sub", headers=headers),
            lambda headers: client.get_system_shared_memory_status(headers=headers),
            lambda headers: client.get_cuda_shared_memory_status(headers=headers),
            lambda headers: client.get_trace_settings(headers=headers),
            lambda headers: client.get_log_settings(headers=headers),
        ):
            with pytest.raises(InferenceServerException) as refused:
                call(local.edge.own_headers)
            assert refused.value.status() == "StatusCode.PERMISSION_DENIED"
            call(local.operator.own_headers)
