"""Any model in plain JSON before a real Triton: one that somebody dropped into a repository, and all of ours."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.grpc as grpcclient

from conch.clients.triton import TritonInference
from conch.stack.serving import Server, serving_repositories
from tests.gateway.conftest import quick_settings, running
from tests.gateway.test_faces_live import MODELS

# Triton's own API and nothing of ours: what anybody may have written.
SCALES = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            weights = pb_utils.get_input_tensor_by_name(request, "{weights}").as_numpy()
            label = pb_utils.get_input_tensor_by_name(request, "label")
            label = b"\\xff\\xfe" if label is None else label.as_numpy()[0]
            outputs = [
                pb_utils.Tensor("total", np.array([weights.sum()], np.float64)),
                pb_utils.Tensor("heaviest", np.array([weights.max() if weights.size else np.nan], np.float32)),
                pb_utils.Tensor("count", np.array([2**63 + weights.size], np.uint64)),
                pb_utils.Tensor("label", np.array([label], dtype=object)),
            ]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""

CONFIG = """
backend: "python"
max_batch_size: 0
input [
  {{ name: "{weights}" data_type: TYPE_FP64 dims: [ -1 ] }},
  {{ name: "label" data_type: TYPE_STRING dims: [ 1 ] optional: true }}
]
output [
  {{ name: "total" data_type: TYPE_FP64 dims: [ 1 ] }},
  {{ name: "heaviest" data_type: TYPE_FP32 dims: [ 1 ] }},
  {{ name: "count" data_type: TYPE_UINT64 dims: [ 1 ] }},
  {{ name: "label" data_type: TYPE_STRING dims: [ 1 ] }}
]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""


def drop(repository: Path, version: int, weights: str) -> None:
    """A version of the model, whose input has this name."""
    folder = repository / "scales" / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(SCALES.replace("{weights}", weights))
    (folder.parent / "config.pbtxt").write_text(CONFIG.format(weights=weights))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dropped") / "models"
    drop(folder, 1, "weights")
    return folder


@pytest.fixture(scope="module")
def triton(repository: Path) -> Iterator[Server]:
    with serving_repositories(repository.parent, [repository]) as server:
        yield server


async def before(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        TritonInference(server.grpc) as inference,
        running(quick_settings(), inference) as addresses,
        httpx.AsyncClient(base_url=f"http://{addresses.http}", timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
async def http(triton: Server) -> AsyncIterator[httpx.AsyncClient]:
    async for client in before(triton):
        yield client


@pytest.fixture
async def ours(serving: Callable[..., Server]) -> AsyncIterator[httpx.AsyncClient]:
    async for client in before(await asyncio.to_thread(serving, *MODELS)):
        yield client


async def test_a_model_that_nobody_told_of_answers_with_and_without_its_optional_input(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post("/v1/infer/scales", json={"weights": [1.5, 2], "label": "crate"})
    assert answer.json() == {"total": 3.5, "heaviest": 2.0, "count": 2**63 + 2, "label": "crate"}
    packed = {"base64": "/wA="}
    answer = await http.post(
        "/v1/infer/scales?outputs=label,count", json=[{"weights": []}, {"weights": [1], "label": packed}]
    )
    assert answer.json() == [{"count": 2**63, "label": {"base64": "//4="}}, {"count": 2**63 + 1, "label": packed}]


async def test_a_number_that_is_none_is_null(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/infer/scales?outputs=heaviest", json={"weights": []})).json() == {"heaviest": None}


async def test_its_description_is_made_of_its_metadata_and_its_example_works(http: httpx.AsyncClient) -> None:
    operation = (await http.get("/openapi.json")).json()["paths"]["/v1/infer/scales"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    assert body["schema"]["anyOf"][0]["required"] == ["weights"]
    assert body["example"] == {"weights": [0.0]}
    assert (await http.post("/v1/infer/scales", json=body["example"])).json()["total"] == 0.0


async def test_a_new_version_with_other_tensors_is_asked_by_its_own_names_at_once(
    http: httpx.AsyncClient, triton: Server, repository: Path
) -> None:
    assert (await http.post("/v1/infer/scales", json={"weights": [1]})).status_code == 200
    drop(repository, 2, "masses")
    with grpcclient.InferenceServerClient(triton.grpc) as client:
        client.load_model("scales")
    answer = await http.post("/v1/infer/scales", json={"masses": [1, 2]})
    assert (answer.status_code, answer.json()["total"]) == (200, 3.0)
    refused = await http.post("/v1/infer/scales", json={"weights": [1]})
    message = "input weights is not one of model scales: masses, label"
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, message)
    gone = await http.post("/v1/infer/scales/versions/1", json={"weights": [1]})
    assert gone.status_code == 404


async def test_every_model_of_ours_answers_its_example(ours: httpx.AsyncClient) -> None:
    paths = (await ours.get("/openapi.json")).json()["paths"]
    answers: dict[str, Any] = {}
    for name in MODELS:
        example = paths[f"/v1/infer/{name}"]["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = await ours.post(f"/v1/infer/{name}", json=example)
        assert answer.status_code == 200, (name, answer.text)
        answers[name] = answer
    assert answers["intent"].json()["intent"] == "DIAL_PERSON"
    assert (answers["whisper"].json()["rejected"], answers["voice_command"].json()["intent"]) == ("silence", "")
    assert len(answers["embedding"].json()["embedding"]) == 384
    assert len(answers["vad"].json()["probabilities"]) == 1
    spoken = [
        json.loads(line.removeprefix("data: ")) for line in answers["piper"].text.split("\n") if line[:5] == "data:"
    ]
    assert (len(spoken[0]["pcm16"]) > 10_000, spoken[-1]) == (True, {})
