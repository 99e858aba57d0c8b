import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conch.cli.main import app
from conch.cli.models import ListedModel, listed
from conch.rollout.quarantine import QuarantinedVersion
from conch.rollout.record import ModelRecord
from conch.weights.cache import WeightCache
from conch.weights.manifest import Manifest, WeightFile


def weight(model: str) -> WeightFile:
    sha256 = hashlib.sha256(model.encode()).hexdigest()
    return WeightFile(model, 1, "model.bin", sha256, len(model), "MIT", "this test", ())


@pytest.fixture
def cache(tmp_path: Path) -> WeightCache:
    """Holds the weights of `here` and nothing else."""
    cache = WeightCache(tmp_path)
    cache.path(weight("here")).write_bytes(b"here")
    return cache


def test_served_models_stand_beside_those_that_only_have_weights(cache):
    index = [
        {"name": "voice_command", "version": "1", "state": "READY"},
        {"name": "here", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"},
    ]

    assert listed(Manifest((weight("here"), weight("away"))), cache, index) == [
        ListedModel("away", "", "", "missing"),
        ListedModel("here", "2", "UNAVAILABLE", "present"),
        ListedModel("voice_command", "1", "READY", "none"),
    ]


def test_versions_have_their_alias_and_refused_ones_their_reason(cache):
    index = [
        {"name": "intent", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "intent", "version": "2", "state": "READY"},
        {"name": "intent--candidate-4", "version": "4", "state": "READY"},
    ]
    record = ModelRecord("intent", 2, (2,), (1, 2, 3), (2, 3), (1,))
    refused = QuarantinedVersion("intent", 4, "ab", "it does not load", "2026-01-01T00:00:00+00:00")

    assert listed(Manifest(()), cache, index, [record], [refused]) == [
        ListedModel("intent", "1", "UNLOADED", "none"),
        ListedModel("intent", "2", "READY", "none", "champion"),
        ListedModel("intent", "3", "UNLOADED", "none"),
        ListedModel("intent", "4", "QUARANTINED", "none", reason="it does not load"),
    ]


def test_a_model_that_a_call_would_load_is_on_demand(cache):
    index = [
        {"name": "intent", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "intent", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "never", "state": ""},
    ]
    record = ModelRecord("intent", 2, (1, 2), (1, 2), (2,), (1,))

    assert listed(Manifest(()), cache, index, [record], resting={"intent": "2", "never": "1"}) == [
        ListedModel("intent", "1", "UNLOADED", "none"),
        ListedModel("intent", "2", "ON DEMAND", "none", "champion"),
        ListedModel("never", "1", "ON DEMAND", "none"),
    ]


def test_without_a_stack_the_weights_are_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    answer = CliRunner().invoke(app, ["models", "list", "--json", "--state", str(tmp_path / "state")])

    assert answer.exit_code == 0
    assert "no stack is running" in answer.stderr
    models = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {
        "name": "whisper",
        "version": "",
        "state": "",
        "weights": "missing",
        "alias": "",
        "reason": "",
        "lineage": "",
    } in models


def test_pull_names_the_models_there_are(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    answer = CliRunner().invoke(app, ["models", "pull", "wisper"])

    assert answer.exit_code == 1
    assert "'wisper'" in answer.stderr
    assert "whisper" in answer.stderr.replace("'wisper'", "")


def test_pull_fetches_nothing_that_is_there(tmp_path, monkeypatch):
    content = b"weights"
    sha256 = hashlib.sha256(content).hexdigest()
    root = tmp_path / "conch/weights"
    root.mkdir(parents=True)
    (root / sha256).write_bytes(content)
    manifest = tmp_path / "models.toml"
    manifest.write_text(
        f'[[weights]]\nmodel = "tiny"\nversion = 1\nfile = "model.bin"\nsha256 = "{sha256}"\nsize_bytes = 7\n'
        'licence = "MIT"\noriginal = "this test"\n'
        'packages = [{ name = "nobody-has-this", version = "1", sha256 = "00", member = "model.bin" }]\n'
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    answer = CliRunner().invoke(app, ["models", "pull", "--json", "--manifest", str(manifest)])

    assert answer.exit_code == 0, answer.stderr
    (file,) = json.loads(answer.stdout)["files"]
    assert file == {
        "model": "tiny",
        "version": 1,
        "file": "model.bin",
        "sha256": sha256,
        "path": str(root / sha256),
        "fetched": False,
    }
