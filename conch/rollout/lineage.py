"""Where a version comes from: the file lineage.json that it may bring, carried with it and shown."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import InvalidRequest
from conch.rollout.refusals import RefusedVersion

LINEAGE = "lineage.json"
MOST_BYTES = 64 * 1024
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Lineage:
    data: str = ""
    """What it was trained on, as its author names it."""
    code: str = ""
    """What trained it: a commit, an image."""
    parent: str = ""
    """The version it was made from."""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where a version brings none. Raises RefusedVersion."""
        path = folder / LINEAGE
        if not path.is_file():
            return None
        if path.stat().st_size > MOST_BYTES:
            raise RefusedVersion(f"{LINEAGE} has {path.stat().st_size} bytes, {MOST_BYTES} at most")
        try:
            return cls.decode(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, InvalidRequest) as error:
            raise RefusedVersion(f"{LINEAGE} cannot be read: {error}") from error

    @classmethod
    def decode(cls, document: Any) -> Self:
        if not isinstance(document, dict):
            raise InvalidRequest(f"it is a {type(document).__name__}, not an object")
        names = ("data", "code", "parent", "metrics")
        if unknown := sorted(document.keys() - set(names)):
            raise InvalidRequest(f"it has {', '.join(map(str, unknown))}; there are {', '.join(names)}")
        texts = {name: document.get(name, "") for name in names[:3]}
        for name, value in texts.items():
            if not isinstance(value, str) or len(value) > LONGEST_TEXT:
                raise InvalidRequest(f"{name} is not a text of at most {LONGEST_TEXT} characters")
        metrics = document.get("metrics", {})
        if not isinstance(metrics, dict):
            raise InvalidRequest("metrics is not an object")
        for name, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidRequest(f"metrics.{name} is {value!r}, not a number")
        return cls(**texts, metrics={name: float(value) for name, value in metrics.items()})

    def lines(self) -> dict[str, str]:
        """What there is of it, as texts by name."""
        told = {**asdict(self), **{f"metrics.{name}": f"{value:g}" for name, value in self.metrics.items()}}
        del told["metrics"]
        return {name: value for name, value in told.items() if value}
