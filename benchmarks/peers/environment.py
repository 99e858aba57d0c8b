"""A virtual environment for a peer, made when it is asked for and kept in the user's cache."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from conch.weights.cache import default_root


def peer_python(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of the peer's environment; installs it the first time, or when `requirements` change."""
    folder = default_root().parent / "peers" / name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)
    stamp.write_text(wanted)
    return python
