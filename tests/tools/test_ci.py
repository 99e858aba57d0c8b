"""`.ci/run` with a make that does as it is told."""

import os
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci/run"
SUMMARY = "===== 3 passed, 1 failed in 2.00s ====="


@pytest.mark.parametrize(
    ("failing", "code"), [("nothing", 0), ("check", 1), ("test", 1)], ids=["all pass", "check fails", "tests fail"]
)
def test_the_exit_code_is_honest_and_the_summary_is_shown(tmp_path, failing, code):
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\n[ "$1" = test ] && echo "{SUMMARY}"\n[ "$1" = -n ] && exit 2\n[ "$1" != {failing} ]\n')
    make.chmod(0o755)

    answer = subprocess.run(
        [str(RUN)],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    assert answer.returncode == code, answer.stdout + answer.stderr
    end = answer.stdout[answer.stdout.rindex("=== make test:") :]
    assert SUMMARY in end
    assert (f"failed: make {failing}" in end) == (code != 0)
