"""What is known to be wrong with the models now: a file that whoever keeps their servers writes, and gateways read.

A fault begins when it is found, before it is mended, and ends when the model has answered a probe again.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

EVERY = "*"
"""In the place of a model's name: the server."""


class Faults:
    """One writes; whoever reads sees a whole file. After a crash of the machine there is none, and no server either."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._reasons: Mapping[str, str] = {}

    def begin(self, models: Iterable[str], reason: str) -> None:
        self._write({**self.read(), **dict.fromkeys(models, reason)})

    def end(self, models: Iterable[str]) -> None:
        ended = set(models)
        self._write({model: reason for model, reason in self.read().items() if model not in ended})

    def end_all(self) -> None:
        self._write({})

    def of(self, model: str) -> str:
        """What is wrong with it, or with its server; empty: nothing that is known."""
        reasons = self.read()
        return reasons.get(EVERY, "") or reasons.get(model, "")

    def read(self) -> Mapping[str, str]:
        """By model. A file that is not there tells of none."""
        try:
            stand = self.path.stat()
            if (stand.st_ino, stand.st_mtime_ns) != self._seen:
                self._reasons = dict(json.loads(self.path.read_text(encoding="utf-8")))
                self._seen = stand.st_ino, stand.st_mtime_ns
        except (OSError, ValueError, TypeError):
            self._reasons, self._seen = {}, None
        return self._reasons

    def _write(self, reasons: Mapping[str, str]) -> None:
        if reasons == self.read():
            return
        # A disk that is full must not keep anybody from mending.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
            draft.write_text(json.dumps(reasons), encoding="utf-8")
            draft.replace(self.path)
