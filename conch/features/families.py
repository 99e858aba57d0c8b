"""What a catalogue's features.toml says of its families of keys; without the file each has what is documented."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import FAMILIES

SEMANTIC = "master:sem"

RELATIONS_PACKED = 100
"""Of a master, the best: 20 views of 1,000 each would be 160 KB a request. All of them stay in the durable store."""

RELATIONS_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Families:
    plain: frozenset[str] = frozenset()
    """Without packed forms: who reads them reads what other programs wrote, and packs it for himself."""
    relations: int = RELATIONS_PACKED
    """Of a master that are packed."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises InvalidRequest that names the key."""
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"{file} cannot be read: {error}") from error
        try:
            return cls._of(content)
        except InvalidRequest as error:
            raise InvalidRequest(f"{file}: {error.message}") from error

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> Self:
        plain, relations = set[str](), RELATIONS_PACKED
        for family, table in content.items():
            if family not in FAMILIES or not isinstance(table, Mapping):
                raise InvalidRequest(f"{family!r} is no table of one of {', '.join(FAMILIES)}")
            for key, value in table.items():
                if key == "packed" and isinstance(value, bool):
                    plain |= set() if value else {family}
                elif key == "relations" and family == SEMANTIC and _is_count(value):
                    relations = value
                else:
                    raise InvalidRequest(
                        f"{family}.{key} is {value!r}; `packed` is true or false, and `relations`, of {SEMANTIC} alone,"
                        f" is from 1 to {RELATIONS_MOST}"
                    )
        return cls(frozenset(plain), relations)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= RELATIONS_MOST
