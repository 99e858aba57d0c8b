"""`conch publish`, `rollback` and `models history` of a stack whose Triton is real."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conch.cli.main import app
from conch.stack.processes import ProcessMark
from conch.stack.serving import serving
from conch.stack.state import ServiceState, ServiceStatus, StackStatus, StateFolder

SHIPPED = Path(__file__).parents[2] / "model_repository/intent/1"


def conch(root, *arguments):
    return CliRunner().invoke(app, [*arguments, "--state", str(root)])


@pytest.fixture
def state(tmp_path):
    """A state folder whose Triton runs; its supervisor is this test."""
    root = tmp_path / "state"
    folder = StateFolder(root)
    supervisor = ProcessMark.of(os.getpid())
    assert supervisor is not None
    with serving(root, ["intent"], {}) as server:
        folder.create()
        addresses = {"http": server.http, "grpc": server.grpc}
        triton = ServiceStatus(ServiceState.READY, server.process.pid, addresses)
        folder.write_status(StackStatus(supervisor, {"triton": triton}))
        yield root


def test_a_version_goes_live_and_back_by_command(state, tmp_path):
    new = shutil.copytree(SHIPPED, tmp_path / "new")

    live = conch(state, "publish", "intent", str(new), "--note", "the same, again", "--json")
    assert live.exit_code == 0, live.stderr
    told = {"model": "intent", "champion": 2, "serving": [1, 2], "versions": [1, 2], "generation": 2}
    assert json.loads(live.stdout) == told

    (new / "model.py").write_text("import os\n")
    refused = conch(state, "publish", "intent", str(new))
    assert refused.exit_code == 1
    assert "RefusedVersion: model.py is foreign Python" in refused.stderr
    again = conch(state, "publish", "intent", str(new))
    assert "Quarantined: these files were refused" in again.stderr

    back = conch(state, "rollback", "intent")
    assert back.exit_code == 0, back.stderr
    assert back.stdout == "intent 1 is live\n"

    listed = [json.loads(line) for line in conch(state, "models", "list", "--json").stdout.splitlines()]
    assert [(one["version"], one["state"], one["alias"]) for one in listed if one["name"] == "intent"] == [
        ("1", "READY", "champion"),
        ("2", "UNLOADED", ""),
        ("3", "QUARANTINED", ""),
    ]
    history = [json.loads(line) for line in conch(state, "models", "history", "intent", "--json").stdout.splitlines()]
    assert [(line["action"], line["version"]) for line in history] == [
        ("promoted", 2),
        ("refused", 3),
        ("rolled back", 1),
    ]
    assert history[0]["note"] == "the same, again"
