"""Each model that the server says is ready, asked with inputs made of nothing but its metadata.

A model may refuse zeros and the text "1": then it must do so in the protocol's shape.
"""

import json
import math

import grpc
from tritonclient.grpc import service_pb2 as pb

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server, answer_of, outputs_of, refused, request_of
from tests.conformance.tensors import RAW_ONLY, Tensor, zeros


def inputs_of(server: Server, model: str) -> list[Tensor]:
    told = server.get(f"/v2/models/{model}").json()
    return [zeros(one["name"], one["datatype"], one["shape"]) for one in told["inputs"]]


def is_decoupled(server: Server, model: str) -> bool:
    policy = server.get(f"/v2/models/{model}/config").json().get("model_transaction_policy", {})
    return bool(policy.get("decoupled", False))


@cites(Section.REST_INFERENCE, Section.REST_RESPONSE, Section.BINARY_DATA)
def test_every_model_answers_over_http_with_the_tensors_it_tells(server: Server, served: list[str]) -> None:
    for model in served:
        if is_decoupled(server, model):
            continue
        inputs = inputs_of(server, model)
        head = {"inputs": [one.binary_json for one in inputs], "parameters": {"binary_data_output": True}, "id": "any"}
        text = json.dumps(head).encode()
        answer = server.post(
            f"/v2/models/{model}/infer",
            content=text + b"".join(one.raw for one in inputs),
            headers={"inference-header-content-length": str(len(text))},
        )
        if answer.status_code != 200:
            refused(answer)
            continue
        told = {one["name"]: one for one in server.get(f"/v2/models/{model}").json()["outputs"]}
        found = answer_of(answer)
        assert (found.head["model_name"], found.head["id"]) == (model, "any")
        for name, tensor in found.tensors.items():
            assert tensor.datatype == told[name]["datatype"]
            assert len(tensor.shape) == len(told[name]["shape"]), name
            if tensor.datatype not in RAW_ONLY:
                assert len(tensor.elements) == math.prod(tensor.shape)


@cites(Section.GRPC_INFERENCE)
def test_every_model_answers_over_grpc_with_the_tensors_it_tells(grpc_server: Server, served: list[str]) -> None:
    for model in served:
        if is_decoupled(grpc_server, model):
            continue
        try:
            answer = grpc_server.call("ModelInfer", request_of(model, *inputs_of(grpc_server, model), id="any"))
        except grpc.RpcError as refusal:
            if refusal.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL):
                continue
            raise
        assert (answer.model_name, answer.id) == (model, "any")
        for tensor in outputs_of(answer).values():
            assert len(tensor.elements) == math.prod(tensor.shape)


@cites(Section.GRPC_MODEL_METADATA)
def test_both_faces_tell_the_same_of_every_model(grpc_server: Server, served: list[str]) -> None:
    for model in served:
        over_http = grpc_server.get(f"/v2/models/{model}").json()
        told = grpc_server.call("ModelMetadata", pb.ModelMetadataRequest(name=model))
        assert (told.name, list(told.versions), told.platform) == tuple(
            over_http[name] for name in ("name", "versions", "platform")
        )
        for kind in ("inputs", "outputs"):
            tensors = [
                {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in getattr(told, kind)
            ]
            assert tensors == over_http[kind]
