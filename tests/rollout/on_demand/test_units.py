"""What may be on demand, and why the rest may not."""

import pytest

from conch.contracts.errors import InvalidRequest
from conch.rollout.folders import Folders
from conch.rollout.on_demand.terms import Terms
from conch.rollout.on_demand.units import loaded_at_start, units
from conch.rollout.policy import Policy
from tests.rollout.on_demand.conftest import write_ensemble, write_model


@pytest.fixture
def folders(tmp_path):
    for name in ("alone", "own", "shared", "ordinary"):
        write_model(tmp_path, name)
    write_model(tmp_path, "talk", "sequence_batching { }")
    write_ensemble(tmp_path, "one", "own", "own")
    write_ensemble(tmp_path, "two", "shared")
    write_ensemble(tmp_path, "three", "shared")
    write_ensemble(tmp_path, "outer", "one")
    (tmp_path / "live/models/alone--candidate-2").mkdir()
    return Folders(tmp_path)


def say(folders, *models):
    (folders.root / "rollout.toml").write_text(f"[on_demand]\nmodels = {list(models)}\n")


def test_a_model_stands_for_itself_and_an_ensemble_for_its_steps(folders):
    (folders.live_ensembles / "outer/config.pbtxt").unlink()
    say(folders, "one", "alone")
    found = units(folders)
    assert {name: unit.members for name, unit in found.by_name.items()} == {"one": ("own", "one"), "alone": ("alone",)}
    assert sorted(found.by_model) == ["alone", "one", "own"]
    assert found.refused == {}


def test_what_others_need_or_what_would_lose_something_is_not_on_demand(folders):
    say(folders, "shared", "two", "talk", "outer", "gone")
    assert units(folders).by_name == {}
    assert units(folders).refused == {
        "gone": "there is no model gone",
        "outer": "its step one is an ensemble",
        "shared": "it is a step of ensemble three: name that one, which stands for its steps",
        "talk": "model talk keeps what came before in a sequence, and would lose it",
        "two": "its step shared is one of ensemble three, too",
    }


def test_what_a_server_cannot_be_ready_without_is_not_on_demand(folders):
    (folders.live_ensembles / "outer/config.pbtxt").unlink()
    (folders.root / "rollout.toml").write_text('vital = ["own"]\n[on_demand]\nmodels = ["alone", "one"]\n')
    found = units(folders)
    assert list(found.by_name) == ["alone"]
    assert found.refused == {"one": "model own is vital: without it a server is not ready"}


def test_a_server_starts_with_all_models_but_those_on_demand(folders):
    assert loaded_at_start(folders) is None
    say(folders, "alone")
    names = loaded_at_start(folders)
    assert names is not None
    assert "ordinary" in names
    assert "one" in names
    assert "alone" not in names


def test_a_setting_that_is_wrong_keeps_no_server_from_starting(folders):
    (folders.root / "rollout.toml").write_text("[on_demand]\nmodles = []")
    assert loaded_at_start(folders) is None


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("models = 'piper'", "models is 'piper', not a list of names"),
        ("models = ['../piper']", "../piper"),
        ("memory_mib = 0", "memory_mib is 0, not a whole number from 1"),
        ("waiting = true", "waiting is True, not a whole number from 1"),
        ("memory = 3", "on_demand has memory; there are models, memory_mib, idle_s, waiting"),
    ],
)
def test_a_wrong_setting_is_told(table, reason):
    with pytest.raises(InvalidRequest) as refused:
        Policy.decode(f"[on_demand]\n{table}")
    assert reason in refused.value.message


def test_nothing_is_on_demand_unless_somebody_says_so():
    assert Policy.decode("").on_demand == Terms((), None, None, 64)
