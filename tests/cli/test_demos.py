"""Which demo is meant; what each shows stands in live tests."""

import pytest
from typer.testing import CliRunner

from conch.cli import demos
from conch.cli.main import app


@pytest.mark.parametrize(
    ("words", "usage"),
    [(["swap"], "conch demo swap"), (["voice"], "conch demo voice"), (["command.wav"], "conch demo voice")],
    ids=" ".join,
)
def test_a_demo_is_named_or_is_that_of_a_wearable(words, usage):
    told = CliRunner().invoke(app, ["demo", *words, "--help"], prog_name="conch")
    assert told.exit_code == 0
    assert f"Usage: {usage} [OPTIONS]" in told.stdout


def test_both_demos_are_listed():
    told = CliRunner().invoke(app, ["demo", "--help"])
    assert demos.VOICE in told.stdout
    assert "swap" in told.stdout


def test_a_recording_that_cannot_be_read_is_told_before_a_stack_is_started(tmp_path):
    done = CliRunner().invoke(app, ["demo", str(tmp_path / "swap.wav"), "--state", str(tmp_path / "state")])
    assert done.exit_code == 1
    assert not (tmp_path / "state").exists()


def test_an_option_needs_no_name_either():
    done = CliRunner().invoke(app, ["demo", "--no-such-option"])
    assert done.exit_code == 2
    assert "no-such-option" in done.stderr
