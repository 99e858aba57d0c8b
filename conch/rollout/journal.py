"""What was done to the models and why: one line of JSON an action, only ever appended."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conch.rollout.fence import fenced


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Line:
    at: str
    """ISO 8601, UTC."""
    action: str
    model: str
    version: int | None
    evidence: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"at": self.at, "action": self.action, "model": self.model, "version": self.version, **self.evidence}


class Journal:
    def __init__(self, path: Path, clock: Callable[[], datetime] = now) -> None:
        self.path = path
        self._clock = clock

    def append(self, action: str, model: str, version: int | None, **evidence: Any) -> None:
        """On disk when it returns. A line that a crash tore apart stays, and the next begins anew."""
        if (epoch := fenced()) is not None:
            evidence["epoch"] = epoch
        line = Line(self._clock().isoformat(timespec="milliseconds"), action, model, version, evidence)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            text = json.dumps(line.to_json(), ensure_ascii=False) + "\n"
            file.write(("" if self._ends_whole(file) else "\n").encode() + text.encode())
            file.flush()
            os.fsync(file.fileno())

    def lines(self, model: str | None = None) -> list[Line]:
        """The oldest first; torn ones are left out."""
        try:
            # Not splitlines: a note may hold U+2028, which ends no line of ours.
            texts = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return []
        lines = [line for text in texts if (line := read_line(text)) is not None]
        return [line for line in lines if model in (None, line.model)]

    @staticmethod
    def _ends_whole(file: Any) -> bool:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return bool(file.read(1) == b"\n")


def read_line(text: str) -> Line | None:
    """None of one that is torn."""
    try:
        document = json.loads(text)
        return Line(
            document.pop("at"), document.pop("action"), document.pop("model"), document.pop("version"), document
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
