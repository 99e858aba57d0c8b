"""An environment for Spark, in the cache: PySpark and what our code needs beside it, as requirements.lock says."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).parent / "requirements.lock"

INSTALL_S = 900


def spark_python(cache: Path) -> Path:
    """Its interpreter. Fails the test where Java or the packages cannot be had."""
    if shutil.which("java") is None:
        pytest.fail("java not found: Spark runs in it; install openjdk-17-jre-headless")
    folder = cache / f"spark-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}-{sys.version_info[1]}"
    python, whole = folder / "bin" / "python", folder / "whole"
    if not whole.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        # PySpark comes as a source package.
        _run([str(python), "-m", "pip", "install", "--quiet", "setuptools", "wheel"])
        _run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--no-build-isolation",
                "--require-hashes",
                "-r",
                str(LOCK),
            ]
        )
        whole.touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode:
        pytest.fail(f"the environment of Spark cannot be made: {done.stderr[-2_000:]}")
