"""What a master is called, from the records of the importer: read here, written by it alone."""

import sqlite3
import threading
from pathlib import Path

from conch.contracts.errors import Unavailable

DEADLINE_S = 0.1


class Titles:
    """Of one catalogue; opened by the first question."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def of(self, master: int) -> str:
        """Empty where none is recorded. Raises Unavailable."""
        try:
            with self._lock:
                row = self._opened().execute("SELECT name FROM products WHERE master = ?", (master,)).fetchone()
        except sqlite3.Error as error:
            raise Unavailable(f"the records of {self._file.name} cannot be read: {error}") from error
        return str(row[0]) if row is not None else ""

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            address = f"{self._file.absolute().as_uri()}?mode=ro"
            self._database = sqlite3.connect(address, uri=True, timeout=DEADLINE_S, check_same_thread=False)
        return self._database
