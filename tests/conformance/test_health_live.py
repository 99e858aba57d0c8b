"""Live and ready, of the server and of each model."""

import json

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2 as pb

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server, refused


def good(answer: httpx.Response) -> bool:
    """The published body, or none, as Triton has it."""
    told = json.loads(answer.content) if answer.content else {}
    assert all(told[name] is True for name in ("live", "ready") if name in told)
    return answer.status_code == 200


@cites(Section.REST_HEALTH)
@pytest.mark.parametrize("what", ["live", "ready"])
def test_a_server_that_serves_is_live_and_ready(server: Server, what: str) -> None:
    assert good(server.get(f"/v2/health/{what}"))


@cites(Section.REST_HEALTH)
def test_every_model_that_is_served_is_ready_in_every_version(server: Server, served: list[str]) -> None:
    for model in served:
        assert good(server.get(f"/v2/models/{model}/ready")), model
        for version in server.get(f"/v2/models/{model}").json()["versions"]:
            assert good(server.get(f"/v2/models/{model}/versions/{version}/ready")), (model, version)


@cites(Section.REST_HEALTH)
@pytest.mark.parametrize("path", ["no_such_model/ready", "{model}/versions/999999/ready"])
def test_what_is_not_served_is_not_ready(server: Server, served: list[str], path: str) -> None:
    assert refused(server.get("/v2/models/" + path.format(model=served[0]))).status_code in (400, 404)


@cites(Section.GRPC_HEALTH)
def test_a_server_that_serves_is_live_and_ready_over_grpc(grpc_server: Server) -> None:
    assert grpc_server.call("ServerLive", pb.ServerLiveRequest()).live
    assert grpc_server.call("ServerReady", pb.ServerReadyRequest()).ready


@cites(Section.GRPC_HEALTH)
def test_every_model_that_is_served_is_ready_over_grpc(grpc_server: Server, served: list[str]) -> None:
    for model in served:
        for version in ("", *grpc_server.get(f"/v2/models/{model}").json()["versions"]):
            assert grpc_server.call("ModelReady", pb.ModelReadyRequest(name=model, version=version)).ready


@cites(Section.GRPC_HEALTH)
@pytest.mark.parametrize("version", ["", "999999"])
def test_what_is_not_served_is_not_ready_over_grpc(grpc_server: Server, served: list[str], version: str) -> None:
    name = served[0] if version else "no_such_model"
    try:
        answer = grpc_server.call("ModelReady", pb.ModelReadyRequest(name=name, version=version))
    except grpc.RpcError as refusal:
        code = refusal.code()
    else:
        code = None if answer.ready else grpc.StatusCode.NOT_FOUND
    assert code == grpc.StatusCode.NOT_FOUND
