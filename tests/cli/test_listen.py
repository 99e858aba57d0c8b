"""`conch listen` where it needs no stack."""

import pytest
from typer.testing import CliRunner

from conch.cli.main import app


def conch(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("command", [("listen", "a.wav"), ("listen", "--mic"), ("voice-sim",)], ids=" ".join)
def test_without_a_stack_it_says_how_to_start_one(command, tmp_path):
    told = conch(*command, "--state", str(tmp_path))
    assert (told.exit_code, "conch up --detach" in told.output) == (3, True)


@pytest.mark.parametrize("words", [(), ("a.wav", "--mic")], ids=["nothing", "both"])
def test_it_wants_a_file_or_the_microphone(words, tmp_path):
    told = conch("listen", *words, "--state", str(tmp_path))
    assert (told.exit_code, "give a file, or --mic" in told.output) == (2, True)
