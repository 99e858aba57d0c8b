"""Which columns of a file say what, and what is taken where a row says nothing: columns.toml, and a file over it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import InvalidRequest

DEFAULT_FILE = Path(__file__).with_name("columns.toml")

HIGHEST_RATING = 5.0

DELIMITER = "delimiter"

_NO_DELIMITERS = frozenset('"\r\n\0')


@dataclass(frozen=True, slots=True)
class Columns:
    products: Mapping[str, Sequence[str]]
    """By field: its columns, the first that a row has counts."""
    categories: Mapping[str, Sequence[str]]
    default_seller: str
    default_rating: float
    default_stock: int
    delimiter: str = ""
    """Of CSV; empty: the header decides."""

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """The default, changed by what the file says. Raises InvalidRequest that names the key."""
        content = _toml(DEFAULT_FILE)
        if path is not None:
            _change(content, _toml(path), path.name)
        try:
            return cls._of(content)
        except InvalidRequest as error:
            raise InvalidRequest(f"{(path or DEFAULT_FILE).name}: {error.message}") from error

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> Self:
        defaults, delimiter = content["defaults"], content[DELIMITER]
        if not isinstance(delimiter, str) or len(delimiter) > 1 or delimiter in _NO_DELIMITERS:
            raise InvalidRequest(f"delimiter is {delimiter!r}, it must be one sign, as ';', or '\\t' for a tab")
        seller, rating, stock = defaults["seller"], defaults["rating"], defaults["stock"]
        if not isinstance(seller, str) or not seller:
            raise InvalidRequest(f"defaults.seller is {seller!r}, it must be a name")
        if isinstance(rating, bool) or not isinstance(rating, int | float) or not 0 <= rating <= HIGHEST_RATING:
            raise InvalidRequest(f"defaults.rating is {rating!r}, it must be from 0 to {HIGHEST_RATING:g}")
        if isinstance(stock, bool) or not isinstance(stock, int) or stock < 0:
            raise InvalidRequest(f"defaults.stock is {stock!r}, it must be a whole number from 0")
        products, categories = (
            {name: _names(f"{table}.{name}", value) for name, value in content[table].items()}
            for table in ("products", "categories")
        )
        return cls(products, categories, seller, float(rating), stock, delimiter)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{path.name} cannot be read: {error}") from error


def _change(content: dict[str, Any], changes: Mapping[str, Any], file: str) -> None:
    for table, keys in changes.items():
        if table == DELIMITER:
            content[DELIMITER] = keys
            continue
        if table not in content or not isinstance(keys, Mapping):
            tables = ", ".join(name for name in content if name != DELIMITER)
            raise InvalidRequest(f"{file} has {table!r}; it holds {DELIMITER} and tables {tables} alone")
        for key, value in keys.items():
            if key not in content[table]:
                raise InvalidRequest(f"{file} has {table}.{key}; {table} has {', '.join(content[table])}")
            content[table][key] = value


def _names(key: str, value: object) -> Sequence[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequest(f"{key} is {value!r}, it must be a column's name or a list of them")
    return names
