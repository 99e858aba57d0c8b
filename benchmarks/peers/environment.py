"""A virtual environment for a peer, made when it is asked for and kept in the user's cache."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from conch.weights.cache import default_root

LITSERVE = (
    "litserve==0.2.19", "onnxruntime==1.31.1", "tokenizers==0.23.3", "numpy<2", "faster-whisper==1.2.1",
    "ctranslate2==4.8.5", "python-multipart==0.0.34",
)  # fmt: skip
"""What computes is of the same versions as ours."""

WHISPER_LIVE = (
    "torch==2.15.0", "faster-whisper==1.2.1", "ctranslate2==4.8.5", "onnxruntime==1.31.1", "tokenizers==0.23.3",
    "fastapi", "uvicorn", "python-multipart==0.0.34", "websockets", "numpy<2",
)  # fmt: skip
"""What its server with the back end faster_whisper imports, and what computes of the same versions as ours."""

WHISPER_LIVE_ITSELF = ("whisper-live==0.10.0",)
"""Without what it asks for besides: PyAudio would need a C compiler and PortAudio, for its client."""


def peer_python(name: str, requirements: Sequence[str], alone: Sequence[str] = ()) -> Path:
    """The interpreter of the peer's environment; installs it the first time, or when `requirements` change.

    `alone` are installed without what they require.
    """
    folder = default_root().parent / "peers" / name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join((*requirements, *alone)) + "\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)
    if alone:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", *alone], check=True)
    stamp.write_text(wanted)
    return python
