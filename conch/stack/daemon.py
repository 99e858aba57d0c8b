"""`python -m conch.stack.daemon ORDER`: the supervisor of a detached stack.

A program of its own because it starts in half the time of the command line, which imports every command.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from conch.contracts.errors import ConchError
from conch.edge.settings import Exposed
from conch.stack.foreground import run_stack
from conch.stack.service import StackSettings
from conch.stack.services.registry import chosen
from conch.stack.state import StateFolder

EXPOSED = 2
"""Exit code of a stack that would be open where it must not be."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants started."""

    root: str
    only: tuple[str, ...]
    """Services; empty: all."""
    ports: Mapping[str, int]
    """By service and face: "gateway.http"."""
    settings: StackSettings
    besides: tuple[str, ...] = ()
    """Services that start only where they are named."""

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        document = json.loads(text)
        settings = StackSettings(**document["settings"])
        only, besides = tuple(document["only"]), tuple(document["besides"])
        return cls(**{**document, "settings": settings, "only": only, "besides": besides})


def main() -> None:
    order = Order.decode(sys.argv[1])
    try:
        run_stack(
            StateFolder(order.root),
            chosen(order.only, order.besides),
            settings=order.settings,
            ports=order.ports,
            console=None,
        )
    except Exposed as error:
        print(error.message, file=sys.stderr)
        sys.exit(EXPOSED)
    except ConchError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
