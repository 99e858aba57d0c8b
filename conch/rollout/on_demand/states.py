"""Which models are on demand, and which of those are loaded: rollout/on_demand.json.

The controller writes it; the edge, gateways, and whoever shows the models, read it.
"""

from collections.abc import Mapping
from pathlib import Path

from conch.clients.on_demand import read_on_demand
from conch.durable import write_json


class OnDemandStates:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Mapping[str, bool]:
        return read_on_demand(self.path)

    def write(self, loaded: Mapping[str, bool]) -> None:
        if self.read() != dict(loaded) or not self.path.is_file():
            write_json(self.path, dict(loaded))
