"""The generator in a copy of the checkout, and what CONTRIBUTING.md says of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.new_model import Refused, create

ROOT = Path(__file__).parents[2]
COPIED = ["Makefile", "conch", "ensembles", "model_repository", "tests", "tools", "models.toml", "pyproject.toml"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    unneeded = shutil.ignore_patterns("__pycache__", "*.onnx")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=unneeded)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run(checkout: Path, command: str) -> str:
    """What it prints. In the copy: its modules win over those that are installed, in Triton's stubs too."""
    # MAKEFLAGS would hand on the arguments of a make that runs us.
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    environment = inherited | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        command, shell=True, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def commands(section: str) -> list[str]:
    """Of the code blocks in a section of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    chapter = text[text.index(f"## {section}\n") :].split("\n## ")[0]
    return [line for block in re.findall(r"```bash\n(.*?)```", chapter, re.DOTALL) for line in block.splitlines()]


def test_the_three_steps_of_contributing_add_a_model_and_serve_it(checkout):
    # This environment has all it needs: nothing is installed into it.
    installed = f"make VENV={sys.prefix} -o {sys.prefix}/.dev"
    create_it, test_it = [command.replace("make", installed, 1) for command in commands("Add a model in three steps")]

    printed = run(checkout, create_it)
    written = re.findall(r"^wrote (\S+)$", printed, re.MULTILINE)
    python = [path for path in written if path.endswith(".py")]

    assert "2 passed" in run(checkout, test_it)
    told = (ROOT / "CONTRIBUTING.md").read_text()
    assert [path for path in written if path not in told] == []
    run(checkout, f"{sys.executable} -m pytest tests/test_model_repository.py -k vector_norm")
    run(checkout, f"{sys.executable} -m ruff format --check {' '.join(python)}")
    run(checkout, f"{sys.executable} -m ruff check {' '.join(python)}")
    run(checkout, f"{sys.executable} -m mypy -p conch.models.vector_norm")


@pytest.mark.parametrize("name", ["Whisper", "my-model", "2nd", "class", "../escape", "", "a__b"])
def test_a_name_that_cannot_be_a_module_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="my_model"):
        create(tmp_path, name)


def test_a_model_that_exists_is_not_overwritten(checkout):
    before = (checkout / "conch/models/embedding.py").read_text()

    with pytest.raises(Refused, match=r"conch/models/embedding\.py is there already"):
        create(checkout, "embedding")
    assert (checkout / "conch/models/embedding.py").read_text() == before


def test_a_constant_of_the_contracts_is_not_taken_twice(checkout):
    with pytest.raises(Refused, match="SPEECH_RATE already"):
        create(checkout, "speech_rate")
