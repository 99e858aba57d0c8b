"""Triton's extensions that read: configuration, statistics, the repository's index; and how bodies are packed."""

import gzip
import json
import zlib

import httpx
import pytest

from tests.conformance.protocol import Section, cites
from tests.conformance.server import HEADER_LENGTH, Server, refused
from tests.conformance.tensors import Tensor

PAIR = Tensor.of("IN_FP32", "FP32", [1.5] * 1000)


@cites(Section.MODEL_CONFIGURATION)
def test_every_model_tells_its_configuration(server: Server, served: list[str]) -> None:
    for model in served:
        config = server.get(f"/v2/models/{model}/config").json()
        metadata = server.get(f"/v2/models/{model}").json()
        assert config["name"] == model
        assert {one["name"] for one in config["input"]} == {one["name"] for one in metadata["inputs"]}
        assert {one["name"] for one in config["output"]} == {one["name"] for one in metadata["outputs"]}
        for version in metadata["versions"]:
            assert server.get(f"/v2/models/{model}/versions/{version}/config").json() == config


@cites(Section.MODEL_CONFIGURATION, Section.STATISTICS)
@pytest.mark.parametrize("reading", ["config", "stats"])
def test_of_an_unknown_model_nothing_is_told(server: Server, reading: str) -> None:
    assert refused(server.get(f"/v2/models/no_such_model/{reading}")).status_code in (400, 404)


@cites(Section.STATISTICS)
def test_statistics_count_what_was_served(ours: Server) -> None:
    def counted() -> tuple[int, int]:
        (told,) = ours.get("/v2/models/identity/stats").json()["model_stats"]
        assert (told["name"], told["version"]) == ("identity", "1")
        return told["inference_count"], told["inference_stats"]["success"]["count"]

    inferences, successes = counted()
    for _ in range(3):
        ours.infer("identity", PAIR)
    assert counted() == (inferences + 3, successes + 3)


@cites(Section.STATISTICS)
def test_statistics_of_one_version_and_of_all_models_are_told(server: Server, served: list[str]) -> None:
    everything = {one["name"] for one in server.get("/v2/models/stats").json()["model_stats"]}
    assert everything >= set(served)
    (version,) = server.get(f"/v2/models/{served[0]}").json()["versions"][:1]
    (told,) = server.get(f"/v2/models/{served[0]}/versions/{version}/stats").json()["model_stats"]
    assert (told["name"], told["version"]) == (served[0], version)
    for duration in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"):
        assert set(told["inference_stats"][duration]) == {"count", "ns"}


@cites(Section.MODEL_REPOSITORY)
@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready":true}', b'{"ready":false}'], ids=repr)
def test_the_index_names_every_model(server: Server, served: list[str], body: bytes) -> None:
    index = server.post("/v2/repository/index", content=body).json()
    assert {one["name"] for one in index} >= set(served)
    assert all(set(one) <= {"name", "version", "state", "reason"} for one in index)


def packed(how: str, text: bytes) -> bytes:
    return gzip.compress(text) if how == "gzip" else zlib.compress(text)


@cites(Section.COMPRESSION)
def test_a_request_may_be_packed_with_gzip(ours: Server) -> None:
    text = json.dumps({"inputs": [PAIR.json]}).encode()
    answer = ours.post("/v2/models/identity/infer", content=packed("gzip", text), headers={"content-encoding": "gzip"})
    assert answer.json()["outputs"][0]["data"] == PAIR.elements


@cites(Section.COMPRESSION, Section.BINARY_DATA)
def test_a_request_with_bytes_may_be_packed_with_gzip(ours: Server) -> None:
    text = json.dumps({"inputs": [PAIR.binary_json]}).encode()
    # The length told is that of the JSON unpacked.
    headers = {"content-encoding": "gzip", HEADER_LENGTH: str(len(text))}
    answer = ours.post("/v2/models/identity/infer", content=packed("gzip", text + PAIR.raw), headers=headers)
    assert answer.json()["outputs"][0]["data"] == PAIR.elements


@cites(Section.COMPRESSION)
@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_an_answer_is_packed_as_its_caller_can_unpack_it(ours: Server, how: str) -> None:
    answer = ours.infer("identity", PAIR, headers={"accept-encoding": how})
    assert answer.response.headers["content-encoding"] == how
    assert answer.outputs == {"OUT_FP32": PAIR.elements}


@cites(Section.COMPRESSION)
@pytest.mark.parametrize("how", ["identity", "br", "*;q=0", ""])
def test_an_answer_is_not_packed_in_ways_that_the_server_does_not_know(ours: Server, how: str) -> None:
    answer: httpx.Response = ours.infer("identity", PAIR, headers={"accept-encoding": how}).response
    assert "content-encoding" not in answer.headers


@cites(Section.COMPRESSION, Section.REST_ERROR)
def test_what_does_not_unpack_is_refused(ours: Server) -> None:
    headers = {"content-encoding": "gzip"}
    refused(ours.post("/v2/models/identity/infer", content=b"this is not gzip", headers=headers))
