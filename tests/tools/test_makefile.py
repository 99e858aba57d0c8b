import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What an installation reads, with a lock that names a package nobody has."""
    for name in ("Makefile", "pyproject.toml", "tools", "requirements"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "requirements/cpu.lock").write_text(f"nobody-has-this==1.0 --hash=sha256:{'0' * 64}\n")
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP_"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=environment | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
    )


def test_without_a_python_the_remedy_is_told(checkout):
    answer = make(checkout, "demo", "PYTHON=")

    assert answer.returncode != 0
    assert "python3.11-venv" in answer.stderr
    assert "make PYTHON=/path/to/python3.11" in answer.stderr


def test_an_install_that_fails_fails_again(checkout):
    for _ in range(2):
        answer = make(checkout, "weights", f"PYTHON={sys.executable}")
        assert answer.returncode != 0
        assert "nobody-has-this" in answer.stderr
    assert not (checkout / ".venv/.cpu").exists()


def test_a_half_made_environment_is_made_anew(checkout):
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to("/nowhere/python")

    assert make(checkout, ".venv/.made", f"PYTHON={sys.executable}").returncode == 0
    subprocess.run([checkout / ".venv/bin/python", "-m", "pip", "--version"], check=True, capture_output=True)


def test_nothing_is_installed_twice(checkout):
    (checkout / ".venv").mkdir()
    for stamp in (".made", ".dev", ".cpu"):
        (checkout / ".venv" / stamp).touch()

    assert make(checkout, ".venv/.dev").stdout == "make: '.venv/.dev' is up to date.\n"


def test_the_name_of_a_new_model_may_stand_alone(checkout):
    for arguments in (["new-model", "NAME=my_model"], ["new-model", "my_model"]):
        planned = make(checkout, "-n", "-o", ".venv/.dev", *arguments)
        assert planned.returncode == 0, planned.stderr
        assert "tools.new_model my_model" in planned.stdout
