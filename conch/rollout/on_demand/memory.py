"""What models take of this machine's memory: their python stubs' proportional set, of others the size of their files.

A stub that shares its weights with others through the page cache counts its share. Triton tells no model's memory, so
a back end inside of it is taken to need what its files hold.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from conch.rollout.folders import Folders
from conch.rollout.retention import size_bytes

_STUB = "triton_python_backend_stub"
_SHORT = 15
"""Characters of a process's name that the kernel keeps."""


class Memory(Protocol):
    async def measured(self) -> Mapping[str, int]:
        """Bytes that their processes take now, by model, of models that have processes."""
        ...

    async def of_files(self, model: str) -> int:
        """Of its newest version."""
        ...


class MachineMemory(Memory):
    """Of all servers on this machine that read one `live/`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def measured(self) -> Mapping[str, int]:
        return await asyncio.to_thread(_stubs, self._folders.live_models.resolve())

    async def of_files(self, model: str) -> int:
        return await asyncio.to_thread(self._of_files, model)

    def _of_files(self, model: str) -> int:
        versions = self._folders.live_versions(model)
        return size_bytes(self._folders, model, max(versions)) if versions else 0


def _stubs(live_models: Path) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for process in psutil.process_iter(["name"]):
        if (process.info["name"] or "")[:_SHORT] != _STUB[:_SHORT]:
            continue
        with contextlib.suppress(psutil.Error, OSError, IndexError):
            # …/live/models/<model>/<version>/model.py
            model = Path(process.cmdline()[1]).parent.parent
            if model.parent.resolve() == live_models:
                found[model.name] = found.get(model.name, 0) + _proportional_bytes(process)
    return found


def _proportional_bytes(process: "psutil.Process") -> int:
    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
