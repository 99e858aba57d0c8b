"""What is rendered, and when the edge must not start."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tritonclient.grpc import service_pb2

from conch.contracts.errors import InvalidRequest
from conch.edge import kserve
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Exposed, Listening, TritonServer, Upstreams

SETTINGS = EdgeSettings(
    Listening(*(Address("127.0.0.1", port) for port in (8001, 8000, 8002, 8003))),
    Upstreams(
        [TritonServer(*(Address("127.0.0.1", port) for port in (8011, 8010, 8012)))],
        Address("127.0.0.1", 8021),
        Address("127.0.0.1", 8020),
    ),
)


def edge(folder: Path, settings: EdgeSettings = SETTINGS) -> Edge:
    return Edge(settings, folder / "edge", folder / "tenants.toml")


def listening(plain_text: bool = True, **addresses: Address) -> EdgeSettings:
    return replace(SETTINGS, listening=replace(SETTINGS.listening, **addresses), plain_text=plain_text)


def resources(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["resources"]
    return found


def test_the_template_is_filled_in_completely(tmp_path: Path) -> None:
    one = edge(tmp_path)
    one.prepare()
    document = yaml.safe_load(one.files.bootstrap.read_text())
    listeners = {listener["name"]: listener["address"] for listener in document["static_resources"]["listeners"]}
    assert {name: address["socket_address"]["port_value"] for name, address in listeners.items()} == {
        "grpc": 8001,
        "http": 8000,
        "metrics": 8002,
        "internal": 8003,
    }
    assert "${" not in one.files.bootstrap.read_text()


@pytest.mark.parametrize("face", ["grpc", "http", "metrics"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost"])
def test_an_edge_that_others_can_reach_does_not_start_without_a_key(tmp_path: Path, face: str, host: str) -> None:
    public = edge(tmp_path, listening(**{face: Address(host, 8001)}))
    with pytest.raises(Exposed, match="there is no key: conch keys create"):
        public.prepare()
    assert not public.files.bootstrap.exists()
    public.keys.create("default")
    public.prepare()


def test_an_edge_that_others_can_reach_does_not_start_in_plain_text_unless_told_to(tmp_path: Path) -> None:
    public = edge(tmp_path, listening(plain_text=False, http=Address("0.0.0.0", 8000)))
    public.keys.create("default")
    with pytest.raises(Exposed, match=r"HTTP on 0\.0\.0\.0:8000 .* keys would travel readable"):
        public.prepare()
    assert not public.files.bootstrap.exists()


def test_an_edge_on_loopback_starts_without_a_key(tmp_path: Path) -> None:
    edge(tmp_path, listening(grpc=Address("::1", 8001))).prepare()


def test_the_internal_listener_is_never_for_others(tmp_path: Path) -> None:
    open_inside = edge(tmp_path, listening(internal=Address("0.0.0.0", 8003)))
    open_inside.keys.create("default")
    with pytest.raises(Exposed, match=r"asks for no key, so it cannot listen on 0\.0\.0\.0:8003"):
        open_inside.prepare()


def test_revoking_every_key_does_not_open_the_edge_again(tmp_path: Path) -> None:
    closed = edge(tmp_path)
    key, _ = closed.keys.create("default")
    closed.keys.revoke(key.id)
    closed.prepare()
    assert resources(closed.files.keys)[0]["typed_config"]["rules"]


def test_a_tenant_with_a_limit_of_calls_at_once_has_clusters_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tenants.toml").write_text("[tenants.acme]\ncalls_at_once = 7\n[tenants.beta]\n")
    one = edge(tmp_path)
    one.prepare()
    limits = {
        cluster["name"]: cluster["circuit_breakers"]["thresholds"][0]["max_requests"]
        for cluster in resources(one.files.clusters)
    }
    assert limits["triton_grpc.acme"] == limits["gateway_http.acme"] == 7
    assert not [name for name in limits if name.endswith((".beta", ".default"))]


@pytest.mark.parametrize(
    ("otlp", "percent", "shares"),
    [(None, 100.0, []), (Address("127.0.0.1", 4317), 100.0, [100.0] * 2), (Address("127.0.0.1", 4317), 2.5, [2.5] * 2)],
    ids=["nobody takes spans", "all", "some"],
)
def test_the_edge_chooses_whose_calls_are_traced(
    tmp_path: Path, otlp: Address | None, percent: float, shares: list[float]
) -> None:
    upstreams = replace(SETTINGS.upstreams, otlp=otlp)
    one = edge(tmp_path, replace(SETTINGS, traced_percent=percent, upstreams=upstreams))
    one.prepare()
    listeners = yaml.safe_load(one.files.bootstrap.read_text())["static_resources"]["listeners"]
    managers = [listener["filter_chains"][0]["filters"][0]["typed_config"] for listener in listeners]
    tracers = [manager["tracing"] for manager in managers if manager.get("tracing") is not None]
    assert [tracer["random_sampling"]["value"] for tracer in tracers] == shares


def test_every_route_leads_to_a_cluster_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "tenants.toml").write_text("[tenants.acme]\ncalls_at_once = 7\nmodels = ['a']\n[tenants.beta]\n")
    one = edge(tmp_path)
    one.prepare()
    known = {"admin", *(cluster["name"] for cluster in resources(one.files.clusters))}
    hosts = [
        host
        for file in (one.files.routes, one.files.internal_routes)
        for configuration in resources(file)
        for host in configuration["virtual_hosts"]
    ]
    assert {host["name"] for host in hosts} == {"acme", "beta", "default", "nobody", "internal"}
    assert {route["route"]["cluster"] for host in hosts for route in host["routes"] if "route" in route} <= known


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    one = edge(tmp_path)
    one.prepare()
    assert not one.publish_tenants()
    (tmp_path / "tenants.toml").write_text("[tenants.acme]\n")
    assert one.publish_tenants()
    assert not one.publish_tenants()


@pytest.mark.parametrize("text", ["127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "host:-1", "h:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not an address"):
        Address.parse(text)


def test_addresses_are_read_as_they_are_written() -> None:
    assert Address.parse("[::1]:8001") == Address("::1", 8001)
    assert str(Address("::1", 8001)) == "[::1]:8001"
    assert str(Address.parse("triton:8001")) == "triton:8001"


@pytest.mark.parametrize("method", [kserve.INFER, *kserve.OF_A_MODEL])
def test_a_request_names_its_model_in_its_first_field(method: str) -> None:
    field = service_pb2.DESCRIPTOR.message_types_by_name[f"{method}Request"].fields_by_number[1]
    assert field.name in ("name", "model_name")


def test_every_method_of_triton_has_somebody_who_answers_it() -> None:
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    ours = {*kserve.HEALTH, *kserve.READING, kserve.INFER, kserve.STREAM}
    assert ours <= set(service.methods_by_name)
    assert set(service.methods_by_name) - ours == {
        "RepositoryModelLoad",
        "RepositoryModelUnload",
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
        "CudaSharedMemoryStatus",
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryUnregister",
        "TraceSetting",
        "LogSettings",
    }
