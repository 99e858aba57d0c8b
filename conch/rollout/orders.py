"""What the controller wants done to the process of a server, which the stack keeps, or an operator's script.

One file a server, rollout/orders/<server>.json; whoever keeps the server takes it away and does it.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from conch.durable import write_json


class Deed(StrEnum):
    END_STUBS = "end stubs"
    """Of the model: a load that waits for one of them ends."""
    RESTART = "restart"
    """The server: SIGTERM, then a new one. Its calls have ended, or never will."""


@dataclass(frozen=True, slots=True)
class Order:
    deed: Deed
    reason: str
    model: str = ""


class Orders:
    def __init__(self, root: Path) -> None:
        self._root = root

    def give(self, server: str, order: Order) -> None:
        """In the place of one that nobody has taken."""
        write_json(self._root / f"{server}.json", asdict(order))

    def take(self, server: str) -> Order | None:
        path = self._root / f"{server}.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
            return Order(Deed(document["deed"]), document["reason"], document["model"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
            return None

    def forget(self, server: str) -> None:
        """Of a server that has just been started: they were for the one before."""
        (self._root / f"{server}.json").unlink(missing_ok=True)
