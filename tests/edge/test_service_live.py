"""The edge as a service of the stack."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conch.stack.processes import ProcessMark
from conch.stack.service import NotYet, Probe, Sick, Site
from conch.stack.services.envoy import Envoy
from conch.stack.state import StateFolder


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
