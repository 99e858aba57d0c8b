"""Versions that were refused, with the reason; the same files are not tried again until they change."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conch.durable import write_json


@dataclass(frozen=True, slots=True)
class QuarantinedVersion:
    model: str
    version: int
    fingerprint: str
    """Of its files as they came."""
    reason: str
    at: str

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "reason": self.reason,
            "at": self.at,
        }


class Quarantine:
    """One file a refused version, by its fingerprint: `<root>/<model>/<fingerprint>.json`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, refused: QuarantinedVersion) -> None:
        write_json(self._path(refused.model, refused.fingerprint), refused.to_json())

    def find(self, model: str, fingerprint: str) -> QuarantinedVersion | None:
        return _read(self._path(model, fingerprint))

    def forget(self, model: str, fingerprint: str) -> None:
        self._path(model, fingerprint).unlink(missing_ok=True)

    def all(self) -> list[QuarantinedVersion]:
        """By model, the oldest first."""
        found = [one for path in self._root.glob("*/*.json") if (one := _read(path)) is not None]
        return sorted(found, key=lambda one: (one.model, one.at))

    def _path(self, model: str, fingerprint: str) -> Path:
        return self._root / model / f"{fingerprint}.json"


def _read(path: Path) -> QuarantinedVersion | None:
    try:
        return QuarantinedVersion(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
