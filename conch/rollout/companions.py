"""Models that were made with a version of another one, such as an index with an embedding: they stay together.

A config's parameter `built_with` names the model and its versions, "embedding 3" or "embedding 3 4". A version of
either does not go live beside one that it does not fit: first an index that holds both, then the embedding, then an
index of the new one alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conch.contracts.errors import InvalidRequest
from conch.rollout.checks import read_config
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.refusals import Mismatched, RefusedVersion
from conch.rollout.versions import is_candidate, model_name, version_number

BUILT_WITH = "built_with"


@dataclass(frozen=True, slots=True)
class Companion:
    """A version that goes live in the same step."""

    version: int
    config: Any


NOBODY: Mapping[str, Companion] = {}


def check_companions(
    folders: Folders, model: str, version: int, config: Any, together: Mapping[str, Companion] = NOBODY
) -> None:
    """Of a version that is about to serve. Raises Mismatched, or RefusedVersion for a parameter that says nothing.

    `together` is by model, what goes live with it.
    """
    wanted = built_with(config)
    if wanted is not None:
        other, versions = wanted
        champion = together[other].version if other in together else _champion(folders, other)
        if champion not in versions:
            is_there = "is not served" if champion is None else f"serves version {champion}"
            raise Mismatched(f"it is built with {_told(other, versions)}, and {other} {is_there}")
    for path in sorted(folders.live_models.glob(f"*/{CONFIG}")):
        dependent = path.parent.name
        if dependent == model or is_candidate(dependent):
            continue
        needed = built_with(together[dependent].config if dependent in together else read_config(path))
        if needed is not None and needed[0] == model and version not in needed[1]:
            raise Mismatched(
                f"{dependent} is built with {_told(*needed)} and would not fit version {version}: "
                f"publish one of {dependent} that fits both first"
            )


def check_unused(folders: Folders, model: str) -> None:
    """Raises Mismatched where another model, or an ensemble, cannot do without it."""
    for ensemble in ensembles_of(folders, model):
        raise Mismatched(f"ensemble {ensemble} has a step of model {model}")
    for path in sorted(folders.live_models.glob(f"*/{CONFIG}")):
        needed = built_with(read_config(path))
        if needed is not None and needed[0] == model:
            raise Mismatched(f"{path.parent.name} is built with {_told(*needed)}")


def ensembles_of(folders: Folders, model: str) -> list[str]:
    """Those that have a step of it."""
    return [
        path.parent.name
        for path in sorted((folders.root / "live/ensembles").glob(f"*/{CONFIG}"))
        if any(step.model_name == model for step in read_config(path).ensemble_scheduling.step)
    ]


def built_with(config: Any) -> tuple[str, tuple[int, ...]] | None:
    """The other model, and which versions of it fit."""
    if BUILT_WITH not in config.parameters:
        return None
    name, *versions = config.parameters[BUILT_WITH].string_value.split() or [""]
    if not versions:
        raise RefusedVersion(f"its parameter {BUILT_WITH} names no version: it is like 'embedding 3'")
    return model_name(name), tuple(version_number(one) for one in versions)


def built_for(version: Path) -> str:
    """The model that a version in a repository names, by its own config or by its model's; empty: none."""
    path = next((one / CONFIG for one in (version, version.parent) if (one / CONFIG).is_file()), None)
    try:
        needed = built_with(read_config(path)) if path is not None else None
    except InvalidRequest:
        return ""
    return needed[0] if needed is not None else ""


def _champion(folders: Folders, model: str) -> int | None:
    if (record := folders.records.read(model)) is not None:
        return record.champion
    return max(folders.live_versions(model), default=None)


def _told(model: str, versions: tuple[int, ...]) -> str:
    return f"{model} {' or '.join(map(str, versions))}"
