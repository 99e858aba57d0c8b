"""Which category is meant: by its key as it stands, or as somebody types it; else by its name or alias in any case.

The one place where words of requests become categories. Names are in the records of the importer: read here, written by
it alone, and only when somebody asks for what is no key.
"""

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import category_key, uuids_of
from conch.stores.ids import NONE, IdIndex, Kind

DEADLINE_S = 0.1

MOST = 100_000
"""Categories whose names are kept in mind; those of a larger tree are called by their keys."""


class CategoryNames:
    """Of one catalogue."""

    def __init__(self, catalogue: str, file: Path | None) -> None:
        """`file` None: nothing was imported."""
        self._catalogue, self._file = catalogue, file
        self._lock = threading.Lock()
        self._generation = -1
        self._names: Mapping[str, int] = {}

    def number_of(self, called: str, ids: IdIndex) -> int:
        """NONE for what is no category. Raises InvalidRequest for what is too long to be one."""
        number = self._look_up(called, ids)
        if number != NONE:
            return number
        try:
            key = category_key(called)
        except InvalidRequest:
            return NONE
        number = self._look_up(key, ids)
        if number != NONE:
            return number
        names = self._by_name(ids)
        return names.get(_folded(called), names.get(_folded(key), NONE))

    def _look_up(self, key: str, ids: IdIndex) -> int:
        return int(ids.look_up(Kind.CATEGORIES, uuids_of(self._catalogue, [key]))[0])

    def _by_name(self, ids: IdIndex) -> Mapping[str, int]:
        with self._lock:
            if self._generation != ids.generation and self._file is not None:
                try:
                    self._names = _read(self._file)
                except sqlite3.Error:
                    return self._names  # the next one who asks tries again
                self._generation = ids.generation
            return self._names


def _read(file: Path) -> Mapping[str, int]:
    """Of two categories that are called the same, the older one; a key before an alias, an alias before a name."""
    query = f"SELECT key, alias, name, category FROM product_categories ORDER BY category LIMIT {MOST + 1}"
    address = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=DEADLINE_S)) as database:
        rows = database.execute(query).fetchall()
    names: dict[str, int] = {}
    if len(rows) <= MOST:
        for place in range(3):
            for row in rows:
                names.setdefault(_folded(row[place]), int(row[3]))
    names.pop("", None)
    return names


def _folded(word: str) -> str:
    return " ".join(word.split()).casefold()
