"""A wearable has its tenant's limits: the bridge reaches the gateway through a real edge's internal listener."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.devices import Device
from conch.contracts.identity import AUDIO_LIMIT_HEADER, MODELS_HEADER
from conch.contracts.topics import DeviceId
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import fronting
from conch.stack.serving import free_ports
from tests.bridge.conftest import Site
from tests.bridge.wearable import eventually, silence, speech

HOST = "127.0.0.1"

TENANTS = """
[tenants.acme]
models = ["intent", "whisper"]
calls_at_once = 1
audio_seconds_per_day = 60
"""


@pytest.fixture
def limited(bare_site: Site, tmp_path: Path) -> Iterator[Site]:
    """A bridge behind which an edge stands that knows the tenants acme and default."""
    site = bare_site
    listening = Listening(*(Address(HOST, port) for port in free_ports(4)))
    nobody = TritonServer(*(Address(HOST, port) for port in free_ports(3)))
    settings = EdgeSettings(listening, Upstreams([nobody], Address(HOST, site.gateway.port), None), workers=1)
    edge = Edge(settings, tmp_path / "e", tmp_path / "tenants.toml")
    edge.tenants_file.write_text(TENANTS)
    with fronting(edge, ready_s=60):
        site.start_bridge(gateway_address=str(listening.internal))
        yield site


def test_a_wearables_calls_carry_its_tenants_limits(limited):
    limited.wearing("watch-1", prefix="t/acme/").publish(silence())
    limited.wearing("watch-1").publish(silence())
    eventually(lambda: len(limited.heard.calls) == 2)
    theirs, ours = sorted(limited.heard.calls, key=lambda call: call.tenant)
    assert (theirs.tenant, ours.tenant) == ("acme", "default")
    assert (theirs.headers[MODELS_HEADER], theirs.headers[AUDIO_LIMIT_HEADER]) == ("intent,whisper", "60")
    assert not {MODELS_HEADER, AUDIO_LIMIT_HEADER} & ours.headers.keys()


def test_more_wearables_at_once_than_their_tenant_may_have_calls_wait_and_lose_nothing(limited):
    limited.devices.add(Device(DeviceId("acme", "watch-2")))
    first, second = (limited.wearing(name, prefix="t/acme/") for name in ("watch-1", "watch-2"))
    first.numbered(speech(), "one", 0)
    eventually(lambda: bool(limited.heard.calls))
    second.numbered(speech(), "two", 0)
    # gRPC may blur a refusal at first; asked again, it tells the refusal's own code.
    eventually(lambda: "RESOURCE_EXHAUSTED" in [error["code"] for error in second.of("error")])
    assert [call.open.device for call in limited.heard.calls] == ["watch-1"]
    first.publish(silence(), session="one", seq=1, offset=3200, last="true")  # and its call ends
    second.numbered(silence(), "two", 1)
    eventually(lambda: "decision" in first.names() and "decision" in second.names())
    assert not second.of("dropped")


def test_a_wearable_of_a_tenant_that_the_edge_does_not_know_is_not_heard(limited):
    limited.devices.add(Device(DeviceId("stranger", "watch-1")))
    watch = limited.wearing("watch-1", prefix="t/stranger/")
    watch.numbered(speech(), "one", 0)
    eventually(lambda: "dropped" in watch.names())
    assert watch.of("error")[-1]["code"] == "PERMISSION_DENIED"
    assert limited.heard.calls == []
