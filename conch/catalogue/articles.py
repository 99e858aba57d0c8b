"""A row as what it says of an offer or a category; what it leaves out is None. InvalidRequest says what is wrong."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from conch.catalogue.columns import HIGHEST_RATING, Columns
from conch.catalogue.files import Values
from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import LONGEST_KEY, category_key

LONGEST_NAME = 2_000
"""Characters."""

DEAREST = 1e9

# With halves of surrogate pairs, which JSON can hold and UTF-8 cannot.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_YES, _NO = frozenset({"true", "yes", "in stock"}), frozenset({"false", "no", "out of stock"})


class NoColumn(InvalidRequest):
    """No row of the file says what each must."""


@dataclass(frozen=True, slots=True)
class Article:
    """An offer, and its master."""

    pid: str
    master: str | None
    name: str | None
    description: str | None
    category: str | None
    """As the row calls it."""
    parent_category: str | None
    brand: str | None
    seller: str | None
    price: float
    rating: float | None
    stock: int | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category."""

    key: str
    alias: str | None
    name: str
    parent: str | None
    """As the row calls it."""


def article_of(values: Values, columns: Columns) -> Article:
    say = _Saying(values, columns.products)
    pid, price = say.key("pid"), say.number("price", DEAREST)
    if pid is None or price is None:
        raise say.missing("pid" if pid is None else "price")
    stock = say.stock()
    return Article(
        pid=pid,
        master=say.key("master"),
        name=say.text("name", LONGEST_NAME),
        description=say.text("description"),
        category=say.text("category", LONGEST_KEY),
        parent_category=say.text("parent_category", LONGEST_KEY),
        brand=say.text("brand", LONGEST_KEY),
        seller=say.text("seller", LONGEST_KEY),
        price=price,
        rating=say.number("rating", HIGHEST_RATING),
        stock=None if stock is None else int(min(stock, 2**31)),
    )


def shelf_of(values: Values, columns: Columns) -> Shelf:
    say = _Saying(values, columns.categories)
    called = say.text("key", LONGEST_KEY)
    if called is None:
        raise say.missing("key")
    return Shelf(
        key=category_key(called),
        alias=say.text("alias", LONGEST_KEY),
        name=say.text("name", LONGEST_NAME) or called,
        parent=say.text("parent", LONGEST_KEY),
    )


@dataclass(frozen=True, slots=True)
class _Saying:
    values: Values
    names: Mapping[str, Sequence[str]]

    def missing(self, field: str) -> InvalidRequest:
        names = self.names[field]
        if any(name in self.values for name in names):
            return InvalidRequest(f"{field} is missing")
        return NoColumn(f"{field} is missing: no column is called {' or '.join(names)}")

    def key(self, field: str) -> str | None:
        return self.text(field, LONGEST_KEY)

    def text(self, field: str, longest: int | None = None) -> str | None:
        value = self._value(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | UUID):
            raise InvalidRequest(f"{field} is a {type(value).__name__}, not a text")
        text = str(value).strip()
        if longest is not None and len(text) > longest:
            raise InvalidRequest(f"{field} has {len(text)} characters, at most {longest}")
        if _CONTROL.search(text):
            raise InvalidRequest(f"{field} has control characters")
        return text or None

    def number(self, field: str, highest: float) -> float | None:
        value = self._value(field)
        if value is None:
            return None
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise InvalidRequest(f"{field} is {str(value)[:40]!r}, not a number") from None
        if not math.isfinite(number) or not 0 <= number <= highest:
            raise InvalidRequest(f"{field} is {number:g}, it must be from 0 to {highest:g}")
        return number

    def stock(self) -> float | None:
        """Pieces; 1 and 0 for words."""
        value = self._value("stock")
        word = str(value).strip().lower()
        if isinstance(value, bool) or word in _YES | _NO:
            return float(value is True or word in _YES)
        return self.number("stock", 1e18)

    def _value(self, field: str) -> object:
        """None: no column says anything."""
        for name in self.names[field]:
            value = self.values.get(name)
            if value is not None and not (isinstance(value, str) and not value.strip()):
                return value
        return None
