"""The tenants file."""

from pathlib import Path

import pytest

from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.thresholds import Thresholds
from conch.edge.tenants import Tenant, Tenants


def test_a_tenant_is_read_with_everything_it_may() -> None:
    tenants = Tenants.decode(
        """
        [tenants.acme]
        models = ["whisper", "intent", "intent"]
        stream = true
        calls_per_second = 50
        burst = 100
        calls_at_once = 16
        audio_seconds_per_day = 3600

        [tenants.acme.gate]
        execute = 0.9
        dial_logprob = -0.4
        """
    )
    gate = Thresholds(execute=0.9, dial_logprob=-0.4)
    assert tenants["acme"] == Tenant("acme", ("intent", "whisper"), True, 50, 100, 16, 3600, gate)


def test_an_empty_table_calls_every_model_and_opens_no_stream() -> None:
    assert Tenants.decode("[tenants.acme]")["acme"] == Tenant("acme", None, False, None, None, None)
    assert Tenants.decode('[tenants.acme]\nmodels = ["*"]')["acme"].models is None


def test_without_a_file_there_is_the_default_tenant_alone(tmp_path: Path) -> None:
    assert Tenants.read(tmp_path / "none.toml").by_name == {"default": Tenant("default", stream=True)}


def test_the_file_may_narrow_the_default_tenant() -> None:
    assert Tenants.decode("[tenants.default]\nmodels = []")["default"] == Tenant("default", ())


def test_a_tenant_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFound, match="no tenant beta; the tenants file has acme, default"):
        Tenants.decode("[tenants.acme]")["beta"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[tenants.acme", "not TOML"),
        ("[tenant.acme]", "has tenant"),
        ("tenants = 3", "not a table of tables"),
        ("[tenants]\nacme = 3", "acme is not a table"),
        ("[tenants.'Bad Name']", "'Bad Name' is not named with"),
        ("[tenants.'*']", "is not named with"),
        ("[tenants.acme]\nmodel = []", "has model; there are audio_seconds_per_day, burst, calls_at_once"),
        ("[tenants.acme]\nmodels = 'sum'", "models is 'sum'"),
        ("[tenants.acme]\nmodels = ['a b']", "not a list of models' names"),
        ("[tenants.acme]\nmodels = ['a', '*']", "not a list of models' names"),
        ("[tenants.acme]\nmodels = ['../x']", "not a list of models' names"),
        ("[tenants.acme]\nstream = 1", "stream is 1"),
        ("[tenants.acme]\ncalls_per_second = 0", "calls_per_second is 0"),
        ("[tenants.acme]\ncalls_per_second = 0.5", "calls_per_second is 0.5"),
        ("[tenants.acme]\ncalls_at_once = true", "calls_at_once is True"),
        ("[tenants.acme]\naudio_seconds_per_day = 1.5", "audio_seconds_per_day is 1.5"),
        ("[tenants.acme]\ngate = 0.9", "tenants.acme.gate is 0.9, not a table"),
        ("[tenants.acme.gate]\nexecute = 1.5", "tenants.acme.gate: execute is 1.5, not a number from 0 to 1"),
        ("[tenants.acme.gate]\nexecute = 0.7", "tenants.acme.gate: confirm is 0.8, above execute, which is 0.7"),
        ("[tenants.acme.gate]\ndial = 1", "tenants.acme.gate: there is no dial; there are confirm, dial_logprob"),
        ("[tenants.acme]\nburst = 5", "burst = 5 without calls_per_second"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint.replace("*", r"\*")):
        Tenants.decode(text)
