"""The edge as a service of the stack."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.grpc as grpcclient

from conch.edge.exposure import Exposure
from conch.stack.envoy import ask_admin
from conch.stack.processes import ProcessMark
from conch.stack.service import NotYet, Probe, Sick, Site
from conch.stack.services.envoy import Envoy, edge_of
from conch.stack.state import StateFolder

ACTIVE = "/stats?filter=downstream_rq_active$"


@pytest.fixture
def site(tmp_path: Path, triton: Any, free_ports: Any) -> Site:
    folder = StateFolder(tmp_path)
    folder.create()
    own = dict(zip(Envoy.ports, (f"127.0.0.1:{port}" for port in free_ports(len(Envoy.ports))), strict=True))
    server = {"grpc": triton.grpc, "http": triton.http, "metrics": triton.metrics}
    return Site(folder, addresses={"edge": own, "triton": server})


@pytest.fixture
def process(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    service = Envoy()
    service.prepare(site)
    with subprocess.Popen(service.launch(site).command, cwd=site.folder.root, stderr=subprocess.DEVNULL) as process:
        yield process
        process.terminate()


@pytest.fixture
def probe(site: Site, process: subprocess.Popen[bytes], until: Any) -> Probe:
    probe = Envoy().probe(site, ProcessMark.of_child(process.pid))
    until(lambda: _passes(probe))
    return probe


def test_it_serves_triton_and_without_a_gateway_says_that_there_is_none(site: Site, probe: Probe) -> None:
    http = site.addresses["edge"]["http"]
    assert httpx.get(f"http://{http}/v2/models/sum").json()["name"] == "sum"
    assert httpx.get(f"http://{http}/v1/models").status_code == 503


def test_a_look_takes_up_a_changed_tenants_file(site: Site, probe: Probe, until: Any) -> None:
    url = f"http://{site.addresses['edge']['http']}/v2/models/sum"
    tenants = site.folder.root / "tenants.toml"
    tenants.write_text('[tenants.default]\nmodels = ["other"]\n')
    asyncio.run(probe.look())
    until(lambda: httpx.get(url).status_code == 403)
    tenants.write_text("[tenants")
    asyncio.run(probe.look())
    assert httpx.get(url).status_code == 403
    tenants.unlink()
    asyncio.run(probe.look())
    until(lambda: httpx.get(url).status_code == 200)


def test_an_ended_process_is_sick(probe: Probe, process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    with pytest.raises(Sick):
        asyncio.run(probe.look())
    with pytest.raises(NotYet):
        asyncio.run(probe.ready())


def _passes(probe: Probe) -> bool:
    try:
        asyncio.run(probe.ready())
    except NotYet:
        return False
    return True


def test_a_drained_edge_has_ended_its_calls_and_takes_no_new_ones(
    site: Site, probe: Probe, gates: Path, triton: Any, tensors: Any, until: Any
) -> None:
    address = site.addresses["edge"]["grpc"]
    gate = gates / "held"
    gate.touch()
    with ThreadPoolExecutor(2) as threads, grpcclient.InferenceServerClient(address) as client:
        call = threads.submit(client.infer, "held", tensors([1.0, 2.0]), client_timeout=60)
        until(lambda: "http.edge.downstream_rq_active: 1" in ask_admin(edge_of(site, Exposure()), ACTIVE), 30)
        draining = threads.submit(asyncio.run, Envoy().drain(site))
        until(lambda: _refuses(address))
        assert not draining.done()
        gate.unlink()
        draining.result(60)
        assert call.result(60).as_numpy("total").tolist() == [3.0]


def _refuses(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
