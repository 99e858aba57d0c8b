"""What an operator decides about models on demand: the table on_demand of rollout.toml.

[on_demand]
models = ["piper", "semantic_search"]   # an ensemble stands for its steps, too. Default: none
memory_mib = 2000                       # of all of them that are loaded at once. Default: no bound
idle_s = 3600                           # unloaded when nobody has called it for so long. Default: never for that
waiting = 64                            # calls of one model that wait for its load; the next is refused. Default: 64
"""

from dataclasses import dataclass
from typing import Any, Self

from conch.contracts.errors import InvalidRequest
from conch.rollout.versions import model_name

KEYS = ("models", "memory_mib", "idle_s", "waiting")


@dataclass(frozen=True, slots=True)
class Terms:
    models: tuple[str, ...] = ()
    memory_mib: int | None = None
    idle_s: int | None = None
    waiting: int = 64

    @property
    def bound_bytes(self) -> int | None:
        return None if self.memory_mib is None else self.memory_mib * 2**20

    @classmethod
    def decode(cls, table: Any) -> Self:
        if not isinstance(table, dict):
            raise InvalidRequest("rollout.toml: on_demand is not a table")
        if unknown := sorted(table.keys() - set(KEYS)):
            raise InvalidRequest(f"rollout.toml: on_demand has {', '.join(unknown)}; there are {', '.join(KEYS)}")
        return cls(
            names("on_demand.models", table.get("models", [])),
            _count("memory_mib", table["memory_mib"]) if "memory_mib" in table else None,
            _count("idle_s", table["idle_s"]) if "idle_s" in table else None,
            _count("waiting", table.get("waiting", 64)),
        )


def names(key: str, value: Any) -> tuple[str, ...]:
    """Of models, each once. Raises InvalidRequest."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidRequest(f"rollout.toml: {key} is {value!r}, not a list of names")
    return tuple(sorted({model_name(one) for one in value}))


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest(f"rollout.toml: on_demand.{name} is {value!r}, not a whole number from 1")
    return value
