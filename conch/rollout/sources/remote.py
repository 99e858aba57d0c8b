"""A place that holds versions and can only be read: its list of files, and each file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RemoteFile:
    tag: str
    """Another one where the content is another one."""
    size_bytes: int


class Remote(Protocol):
    """Every method raises Unavailable; each has a deadline."""

    async def files(self) -> Mapping[str, RemoteFile]:
        """By path, as <model>/<n>/… and <model>/config.pbtxt."""
        ...

    async def fetch(self, path: str, file: RemoteFile, target: Path) -> None:
        """The content that `file` tells, whole, or an error: one that changed in between is not taken."""
        ...
