"""What the edge says of a tenant on each of its calls."""

from conch.contracts.identity import AUDIO_LIMIT_HEADER, GATE_HEADER, MODELS_HEADER
from conch.contracts.thresholds import Thresholds
from conch.edge.tenants import Tenant
from conch.edge.told import limit_headers


def told(tenant: Tenant) -> dict[str, str]:
    headers = limit_headers(tenant)
    # What a caller sends under these names must not stand beside ours.
    assert {one["append_action"] for one in headers} <= {"OVERWRITE_IF_EXISTS_OR_ADD"}
    return {one["header"]["key"]: one["header"]["value"] for one in headers}


def test_a_tenant_without_limits_has_nothing_told_of_it() -> None:
    assert told(Tenant("acme")) == {}


def test_models_audio_and_thresholds_are_told() -> None:
    tenant = Tenant("acme", ("intent",), audio_seconds_per_day=60, gate=Thresholds(execute=0.9, dial_logprob=-0.25))
    assert told(tenant) == {
        MODELS_HEADER: "intent",
        AUDIO_LIMIT_HEADER: "60",
        GATE_HEADER: "execute=0.9,dial_logprob=-0.25",
    }
