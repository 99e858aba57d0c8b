"""Which models are on demand: each by itself, and an ensemble together with its steps, or why one is not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conch.clients.model_config import parse_config
from conch.contracts.errors import ConchError
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.policy import Policy


@dataclass(frozen=True, slots=True)
class Unit:
    """What is loaded and unloaded as one."""

    name: str
    members: tuple[str, ...]
    """In the order of loading; the last one is that of the name."""


@dataclass(frozen=True, slots=True)
class Units:
    by_name: Mapping[str, Unit] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Reasons, by names that are on demand in rollout.toml and cannot be."""

    @property
    def by_model(self) -> Mapping[str, Unit]:
        return {member: unit for unit in self.by_name.values() for member in unit.members}


class Unfit(Exception):
    """Why a model cannot be on demand."""


def units(folders: Folders) -> Units:
    """As rollout.toml and `live/` say now. Raises Unavailable for a file that is wrong."""
    policy = Policy.read(folders.root)
    models = policy.on_demand.models
    ensembles = _ensembles(folders) if models else {}
    found: dict[str, Unit] = {}
    refused: dict[str, str] = {}
    for name in models:
        try:
            unit = _ensemble(folders, name, ensembles) if name in ensembles else _single(folders, name, ensembles)
            _check_not_vital(unit, policy.vital)
            found[name] = unit
        except Unfit as error:
            refused[name] = str(error)
    return Units(found, refused)


def loaded_at_start(folders: Folders) -> Sequence[str] | None:
    """What a server loads when it starts; None: all that there is. A rollout.toml that is wrong puts none on demand."""
    try:
        resting = units(folders).by_model
    except ConchError:
        return None
    if not resting:
        return None
    shelves = (folders.live_models, folders.live_ensembles)
    names = {path.name for shelf in shelves for path in shelf.glob("*") if path.is_dir()}
    return sorted(names - resting.keys())


def _single(folders: Folders, name: str, ensembles: Mapping[str, Sequence[str]]) -> Unit:
    for ensemble, steps in ensembles.items():
        if name in steps:
            raise Unfit(f"it is a step of ensemble {ensemble}: name that one, which stands for its steps")
    _check(folders, name)
    return Unit(name, (name,))


def _ensemble(folders: Folders, name: str, ensembles: Mapping[str, Sequence[str]]) -> Unit:
    for step in ensembles[name]:
        for other, steps in ensembles.items():
            if step == other or (other != name and step in steps):
                raise Unfit(f"its step {step} is {'an ensemble' if step == other else f'one of ensemble {other}, too'}")
        _check(folders, step)
    return Unit(name, (*ensembles[name], name))


def _check_not_vital(unit: Unit, vital: Collection[str]) -> None:
    for member in unit.members:
        if member in vital:
            raise Unfit(f"model {member} is vital: without it a server is not ready")


def _check(folders: Folders, model: str) -> None:
    config = _config(folders.live_models / model / CONFIG)
    if config is None:
        raise Unfit(f"there is no model {model}")
    if config.HasField("sequence_batching"):
        raise Unfit(f"model {model} keeps what came before in a sequence, and would lose it")


def _ensembles(folders: Folders) -> Mapping[str, Sequence[str]]:
    """Their steps."""
    configs = {path.parent.name: _config(path) for path in sorted(folders.live_ensembles.glob(f"*/{CONFIG}"))}
    return {
        name: tuple(dict.fromkeys(step.model_name for step in config.ensemble_scheduling.step))
        for name, config in configs.items()
        if config is not None
    }


def _config(path: Path) -> Any:
    """None where there is none that can be read."""
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConchError):
        return None
