"""What a server tells of itself and of its models over HTTP."""

import pytest

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server, refused
from tests.conformance.tensors import DATA_TYPES


@cites(Section.REST_SERVER_METADATA)
def test_a_server_tells_its_name_version_and_extensions(server: Server) -> None:
    answer = server.get("/v2")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    told = answer.json()
    assert set(told) == {"name", "version", "extensions"}
    assert all(isinstance(told[name], str) and told[name] for name in ("name", "version"))
    assert all(isinstance(one, str) for one in told["extensions"])


@cites(Section.REST_MODEL_METADATA)
def test_every_model_tells_its_tensors(server: Server, served: list[str]) -> None:
    for model in served:
        told = server.get(f"/v2/models/{model}").json()
        assert told["name"] == model
        assert isinstance(told["platform"], str)
        assert all(isinstance(version, str) for version in told["versions"])
        for tensor in (*told["inputs"], *told["outputs"]):
            assert set(tensor) == {"name", "datatype", "shape"}
            assert tensor["datatype"] in DATA_TYPES
            assert all(isinstance(size, int) and size >= -1 for size in tensor["shape"])


@cites(Section.REST_MODEL_METADATA, Section.REST_PATHS)
def test_a_version_may_be_named_in_the_path(server: Server, served: list[str]) -> None:
    for model in served:
        whole = server.get(f"/v2/models/{model}").json()
        for version in whole["versions"]:
            assert server.get(f"/v2/models/{model}/versions/{version}").json() == whole


@cites(Section.REST_MODEL_METADATA)
def test_a_model_with_batches_tells_the_batch_as_its_first_dimension(ours: Server) -> None:
    told = ours.get("/v2/models/add_sub").json()
    assert told["inputs"] == [{"name": name, "datatype": "INT32", "shape": [-1, 16]} for name in ("INPUT0", "INPUT1")]


@cites(Section.REST_MODEL_METADATA, Section.REST_ERROR)
@pytest.mark.parametrize("path", ["no_such_model", "{model}/versions/999999", "{model}/versions/99999999999999999999"])
def test_what_is_not_there_is_refused(server: Server, served: list[str], path: str) -> None:
    answer = refused(server.get("/v2/models/" + path.format(model=served[0])))
    assert answer.status_code in (400, 404)


@cites(Section.REST_PATHS)
def test_a_query_changes_nothing(server: Server) -> None:
    assert server.get("/v2?verbose=1").json() == server.get("/v2").json()


@cites(Section.REST_PATHS)
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH"])
def test_a_path_takes_the_methods_it_is_published_with_and_no_others(
    server: Server, served: list[str], method: str
) -> None:
    for path in ("/v2", f"/v2/models/{served[0]}", f"/v2/models/{served[0]}/infer"):
        assert server.send(method, path).status_code == 405, path


@cites(Section.REST_PATHS)
def test_inference_is_not_a_get_and_metadata_is_not_a_post(server: Server, served: list[str]) -> None:
    assert server.get(f"/v2/models/{served[0]}/infer").status_code == 405
    assert server.post("/v2", json={}).status_code == 405


@cites(Section.REST_PATHS)
def test_a_head_is_refused_too(server: Server) -> None:
    # Triton sends a body with it, which would stand before the next answer of the connection.
    assert server.send("HEAD", "/v2", headers={"connection": "close"}).status_code == 405
