"""Only one process holds it: another is told who, or waits."""

import subprocess
import sys

import pytest

from conch.flocks import awaited, held

HOLDS = "import sys; from pathlib import Path; from conch.flocks import held\n" + (
    "with held(Path(sys.argv[1]), ValueError): print('held', flush=True); sys.stdin.read()"
)
WAITS = "import sys; from pathlib import Path; from conch.flocks import awaited\n" + (
    "print('waits', flush=True)\nwith awaited(Path(sys.argv[1])): print('has it', flush=True)"
)


def python(program, path):
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_who_does_not_wait_is_told_who_holds_it(tmp_path):
    path = tmp_path / "folder" / "lock"
    with python(HOLDS, path) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=str(other.pid)), held(path, ValueError):
            pytest.fail("two hold it")
        other.stdin.close()
        other.wait(60)
    with held(path, ValueError):
        assert path.read_text() != f"{other.pid}\n"


def test_who_waits_has_it_when_the_other_ends_however_that_does(tmp_path):
    path = tmp_path / "lock"
    with python(HOLDS, path) as other:
        assert other.stdout.readline() == "held\n"
        with python(WAITS, path) as waiting:
            assert waiting.stdout.readline() == "waits\n"
            assert waiting.poll() is None
            other.kill()
            assert waiting.stdout.readline() == "has it\n"


def test_who_holds_it_keeps_another_waiting(tmp_path):
    path = tmp_path / "lock"
    with awaited(path), pytest.raises(ValueError, match="unknown"), held(path, ValueError):
        pytest.fail("two hold it")


def test_nobody_waits_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), awaited(tmp_path / "missing" / "lock"):
        pytest.fail("there is no such folder")
