"""Which models are on demand, and which of those are loaded: rollout/on_demand.json.

The controller writes it; the edge, and whoever shows the models, read it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from conch.rollout.durable import write_json


class OnDemandStates:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Mapping[str, bool]:
        """Whether it is loaded, by model; ensembles among them. Empty where none is on demand."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(model): bool(loaded) for model, loaded in document.items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}

    def write(self, loaded: Mapping[str, bool]) -> None:
        if self.read() != dict(loaded) or not self._path.is_file():
            write_json(self._path, dict(loaded))
