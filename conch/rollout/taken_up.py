"""Which models a watched folder was seen to hold, and with what config: a change, or a removal, is known by it.

Kept on disk: what changes while nobody watches is found at the next start.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from conch.durable import write_json
from conch.rollout.folders import CONFIG, CONFIGS, PROBES


class TakenUp:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            self._fingerprints: dict[str, str] = {str(name): str(one) for name, one in document.items()}
        except (FileNotFoundError, ValueError, AttributeError):
            # As if nobody had looked before: what is there now is how it was.
            self._fingerprints = {}

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Of the configs, by model."""
        return dict(self._fingerprints)

    def take(self, model: str, fingerprint: str) -> None:
        if self._fingerprints.get(model) != fingerprint:
            self._fingerprints[model] = fingerprint
            write_json(self._path, self._fingerprints)

    def drop(self, model: str) -> None:
        if self._fingerprints.pop(model, None) is not None:
            write_json(self._path, self._fingerprints)


def config_fingerprint(folder: Path) -> str:
    """Of what a folder says of its model: config.pbtxt, configs/ and probes.json."""
    total = hashlib.sha256()
    for path in (folder / CONFIG, folder / PROBES, *sorted((folder / CONFIGS).glob("*.pbtxt"))):
        if path.is_file():
            total.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return total.hexdigest()
