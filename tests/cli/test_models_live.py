"""`conch models list` of a stack whose Triton is real."""

import json
import os

from typer.testing import CliRunner

from conch.cli.main import app
from conch.stack.processes import ProcessMark
from conch.stack.state import ServiceState, ServiceStatus, StackStatus, StateFolder


def test_what_the_stack_serves_is_listed_with_its_versions(serving, tmp_path):
    folder = StateFolder(tmp_path)
    folder.create()
    supervisor = ProcessMark.of(os.getpid())
    assert supervisor is not None
    triton = ServiceStatus(ServiceState.READY, os.getpid(), {"http": serving("embedding").http})
    folder.write_status(StackStatus(supervisor, {"triton": triton}))

    answer = CliRunner().invoke(app, ["models", "list", "--json", "--state", str(tmp_path)])

    assert answer.exit_code == 0, answer.stderr
    models = {model["name"]: model for model in map(json.loads, answer.stdout.splitlines())}
    assert models["embedding"] == {
        "name": "embedding",
        "version": "1",
        "state": "READY",
        "weights": "present",
        "alias": "",
        "reason": "",
        "lineage": "",
    }
    assert models["whisper"]["state"] == ""


def test_a_triton_that_does_not_answer_is_named(tmp_path):
    folder = StateFolder(tmp_path)
    folder.create()
    supervisor = ProcessMark.of(os.getpid())
    assert supervisor is not None
    triton = ServiceStatus(ServiceState.HEALING, None, {"http": "127.0.0.1:9"})
    folder.write_status(StackStatus(supervisor, {"triton": triton}))

    answer = CliRunner().invoke(app, ["models", "list", "--state", str(tmp_path)])

    assert answer.exit_code == 1
    assert "127.0.0.1:9" in answer.stderr
