import pytest
from typer.testing import CliRunner

from conch.cli.main import app


@pytest.mark.parametrize("command", [["publish", "intent", "."], ["rollback", "intent"]], ids=["publish", "rollback"])
def test_without_a_stack_there_is_nowhere_to_publish_to(tmp_path, command):
    answer = CliRunner().invoke(app, [*command, "--state", str(tmp_path / "state")])

    assert answer.exit_code == 3
    assert "no stack is running" in answer.stderr


def test_a_model_that_nobody_published_has_no_history(tmp_path):
    answer = CliRunner().invoke(app, ["models", "history", "intent", "--state", str(tmp_path)])

    assert answer.exit_code == 1
    assert "nothing was ever published of model intent" in answer.stderr
