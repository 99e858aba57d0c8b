"""Shared memory that a killed Triton leaves in /dev/shm: 1 MiB and more for each python stub."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

SHM = Path("/dev/shm")
PREFIX = "triton_python_backend_shm_region_"
"""Triton's own; a stack's regions have its mark after it."""
STRAY_S = 60.0
"""A region is mapped soon after it is made: what is older and unmapped belongs to nobody."""


def prefix_of(root: Path) -> str:
    """Of the regions of the stack in that state folder, and of no other."""
    return f"{PREFIX}{hashlib.sha256(str(root).encode()).hexdigest()[:12]}_"


def sweep(prefix: str, older_than_s: float = 0.0) -> int:
    """Delete our user's regions that no process maps; how many those were."""
    candidates = [path for path in SHM.glob(f"{prefix}*") if _is_ours(path, older_than_s)]
    if not candidates:
        return 0
    mapped = _mapped_regions()
    unmapped = [path for path in candidates if path.name not in mapped]
    for path in unmapped:
        path.unlink(missing_ok=True)
    return len(unmapped)


def _is_ours(path: Path, older_than_s: float) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return status.st_uid == os.getuid() and time.time() - status.st_ctime >= older_than_s


def _mapped_regions() -> set[str]:
    names: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        # Another user's process is not ours to read, and maps none of our regions: only their owner may.
        with contextlib.suppress(OSError):
            for line in maps.read_text().splitlines():
                _, found, rest = line.partition(f"{SHM}/{PREFIX}")
                if found:
                    names.add(PREFIX + rest.removesuffix(" (deleted)"))
    return names
