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
KERNELS = ("merging.py", "together.py", "interests.py", "shopping.py", "ranking.py", "choosing.py", "capping.py")

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
    folder = folder_of(os.environ)
    if not is_filled(os.environ):
        _clear(folder)
    _call()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILLED).write_text(json.dumps(_state()), encoding="utf-8")
    return compiled()


def _call() -> None:
    import numpy as np

    from conch.contracts.provenance import Source
    from conch.recommendation.catalogue import Best, NothingSold, Tables
    from conch.recommendation.interests import COLD, About, interests
    from conch.recommendation.merging import Ranked, merge
    from conch.recommendation.ranking import Market, Offers, Promos, fixed, rank
    from conch.recommendation.scenarios import Mix, Ranking
    from conch.recommendation.shopping import Known, candidates
    from conch.recommendation.together import together

    one, single, byte = fixed(np.zeros(1, np.uint32)), fixed(np.ones(1, np.float32)), fixed(np.ones(1, np.uint8))
    nobody, starts = np.zeros(0, np.uint32), fixed(np.array([0, 1]))
    seen = together((starts, one, single), (starts, one, single), 20)
    tables = Tables(one, seen, seen, 1, Best(starts, one, single))
    candidates(interests([About(COLD, Mix(), category=0)], tables, 0), Known(), NothingSold(tables), [nobody], [1])
    pool = merge([Ranked(one, single, 0, Source.SEMANTIC, 1.0)], nobody, 1)
    offers = Offers(starts, one, single, one, single, byte, one, one, one)
    promos = Promos(one, single, single, fixed(np.zeros(1, np.int64)), one)
    rank(pool.masters, pool.scores, Market(offers, promos), Ranking(), k=1, now_ms=0)


def compiled() -> int:
    """Kernels that this process has compiled, because no cache had them."""
    from conch.recommendation import capping, choosing, interests, merging, ranking, shopping, together

    modules = (capping, choosing, interests, merging, ranking, shopping, together)
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
