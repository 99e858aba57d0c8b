"""What computing costs, whoever else has a share of the cores: CPU seconds of processes and all that they started."""

import contextlib
from collections.abc import Collection
from pathlib import Path

import psutil


def cpu_s(roots: Collection[psutil.Process]) -> float:
    everybody = [process for root in roots for process in (root, *root.children(recursive=True))]
    return float(sum(sum(process.cpu_times()[:2]) for process in everybody))


def cpu_by_part(root: psutil.Process) -> dict[str, float]:
    """CPU seconds of all that `root` started, by what it is: a program's name, or the model whose stub it is."""
    parts: dict[str, float] = {}
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            part = _part(process)
            parts[part] = parts.get(part, 0.0) + sum(process.cpu_times()[:2])
    return parts


def _part(process: psutil.Process) -> str:
    words = process.cmdline()
    if process.name().startswith("triton_python"):
        # Its first argument is <repository>/<model>/<version>/model.py.
        return Path(words[1]).parts[-3]
    return "gateway" if "gateway" in words else process.name()
