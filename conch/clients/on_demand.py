"""Which models are on demand, as whoever keeps their servers writes it: those are served though they are not loaded."""

import json
from collections.abc import Mapping
from pathlib import Path


def read_on_demand(path: Path) -> Mapping[str, bool]:
    """Whether it is loaded, by model; ensembles among them. Empty where none is on demand."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(model): bool(loaded) for model, loaded in document.items()}
    except (OSError, ValueError, AttributeError):
        return {}
