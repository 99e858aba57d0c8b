"""The class that serves a version, as its model.py names it: eight lines of ours, or it does not go live."""

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conch.contracts.specs import ModelSpec
from conch.rollout.files import ENTRY_POINT
from conch.rollout.model_configs import entry_point_findings
from conch.rollout.refusals import RefusedVersion

OURS = "conch.models."


@dataclass(frozen=True, slots=True)
class EntryPoint:
    module: str
    model_class: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Without running it. Raises RefusedVersion for a model.py that is missing, broken or more than that."""
        path = folder / ENTRY_POINT
        if not path.is_file():
            raise RefusedVersion(f"it has no {ENTRY_POINT}: Triton's load of such a version never returns")
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError) as error:
            raise RefusedVersion(f"{ENTRY_POINT} is not Python: {error}") from error
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS) and len(node.names) == 1:
                entry = cls(str(node.module), node.names[0].name)
                if not entry_point_findings(source, entry.module, entry.model_class):
                    return entry
        raise RefusedVersion(
            f"{ENTRY_POINT} is foreign Python: it must name one class of {OURS.rstrip('.')} and do nothing more"
        )

    def spec(self) -> ModelSpec:
        try:
            model_class: Any = getattr(importlib.import_module(self.module), self.model_class)
            spec: ModelSpec = model_class.spec
        except (ImportError, AttributeError) as error:
            raise RefusedVersion(f"{ENTRY_POINT} names {self.module}.{self.model_class}: {error}") from error
        return spec
