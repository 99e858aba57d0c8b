"""Compile the kernels into numba's cache, so that no model does when it is loaded:  python -m conch.recommendation.warm

Run when Conch is installed, and by whoever starts models where that was not done. A cache is of one numba, one CPU and
one state of the sources; what it was filled for stands beside it.
"""

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
KERNELS = ("merging.py", "ranking.py", "capping.py")

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
"""Folder of the cache, in the environment of whoever imports kernels; absent: beside the sources."""

_FILLED = "kernels.json"


def folder_of(environment: Mapping[str, str]) -> Path:
    own = environment.get(CACHE_VARIABLE, "")
    return Path(own) if own else HERE / "__pycache__"


def is_filled(environment: Mapping[str, str]) -> bool:
    """Without an import of numba."""
    try:
        return bool(json.loads((folder_of(environment) / _FILLED).read_text(encoding="utf-8")) == _state())
    except (OSError, ValueError):
        return False


def fill() -> int:
    """Calls every kernel as models do. Returns how many had to be compiled."""
    import numpy as np

    from conch.contracts.provenance import Source
    from conch.recommendation.merging import Ranked, merge
    from conch.recommendation.ranking import Offers, Promos, fixed, rank
    from conch.recommendation.scenarios import Ranking

    folder = folder_of(os.environ)
    if not is_filled(os.environ):
        _clear(folder)
    one, single, byte = fixed(np.zeros(1, np.uint32)), fixed(np.ones(1, np.float32)), fixed(np.ones(1, np.uint8))
    pool = merge([Ranked(one, single, 0, Source.SEMANTIC, 1.0)], np.zeros(0, np.uint32), 1)
    offers = Offers(fixed(np.array([0, 1])), one, single, one, single, byte, one, one)
    promos = Promos(one, single, single, fixed(np.zeros(1, np.int64)), one, byte)
    rank(pool.masters, pool.scores, offers, promos, Ranking(), k=1, now_ms=0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILLED).write_text(json.dumps(_state()), encoding="utf-8")
    return compiled()


def compiled() -> int:
    """Kernels that this process has compiled, because no cache had them."""
    from conch.recommendation import capping, merging, ranking

    modules = (capping, merging, ranking)
    kernels = {id(kernel): kernel for module in modules for kernel in vars(module).values() if hasattr(kernel, "stats")}
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels.values())


def _clear(folder: Path) -> None:
    """numba looks at the file of a kernel alone, not at those whose kernels it calls."""
    for name in KERNELS:
        for file in folder.rglob(f"{Path(name).stem}.*.nb[ic]"):
            file.unlink(missing_ok=True)


def _state() -> Mapping[str, object]:
    return {
        "python": platform.python_version(),
        "numba": importlib.metadata.version("numba"),
        "machine": _processor(),
        "sources": [[name, (HERE / name).stat().st_mtime_ns, (HERE / name).stat().st_size] for name in KERNELS],
    }


def _processor() -> str:
    """What numba compiles for: the model of the CPU, unless it is told to compile for any."""
    if named := os.environ.get("NUMBA_CPU_NAME", ""):
        return named
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    print(f"{fill()} kernels compiled", file=sys.stderr)
