"""`conch models list`: what the running stack serves, what was refused, and which weights are on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.markup import escape
from rich.table import Table

from conch.cli.console import err, out, print_json, reporting_errors
from conch.contracts.errors import Unavailable
from conch.rollout.folders import Folders
from conch.rollout.quarantine import QuarantinedVersion
from conch.rollout.record import ModelRecord
from conch.rollout.shown import shown
from conch.rollout.versions import is_candidate
from conch.stack.state import NoStack, StateFolder, running_stack
from conch.stack.state import default_root as state_root
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import Manifest

DEADLINE_S = 5.0

NO_LINEAGES: Mapping[tuple[str, str], str] = {}
"""By model and version."""


NOTHING_RESTS: Mapping[str, str] = {}
"""Versions by model."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    name: str
    version: str
    """Empty where the stack serves no version of it."""
    state: str
    """Triton's word (READY, LOADING, UNAVAILABLE…), UNLOADED, ON DEMAND or QUARANTINED; empty where it has no such
    model."""
    weights: str
    """present, missing, or none where the model needs none from the cache."""
    alias: str = ""
    """champion: what callers get who name no version, of a model that was published; and what else it is named."""
    reason: str = ""
    """Why it was refused, of a version in quarantine."""
    lineage: str = ""
    """Where it comes from, as its lineage.json says."""


def list_models(
    state: Annotated[Path | None, typer.Option("--state", help="The stack's state folder.")] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One object a version: name, version, state, weights, alias, reason, lineage."),
    ] = False,
) -> None:
    """What the running stack serves, and which weights are here; without a stack, the weights alone."""
    with reporting_errors():
        try:
            triton = _triton(state)
        except NoStack as error:
            err.print(error.message, soft_wrap=True)
            triton = None
        folders = Folders(StateFolder(state or state_root()).root)
        models = listed(
            Manifest.read(),
            WeightCache(default_root()),
            _index(triton) if triton else [],
            folders.records.all(),
            folders.quarantine.all(),
            _lineages(folders),
            _resting(folders),
        )
    if as_json:
        for model in models:
            print_json(asdict(model))
        return
    table = Table("model", "version", "alias", "state", "weights", "reason", "lineage")
    for model in models:
        row = (model.name, model.version, model.alias, model.state, model.weights, model.reason, model.lineage)
        table.add_row(*(escape(cell) or "-" for cell in row))
    out.print(table)


def listed(
    manifest: Manifest,
    cache: WeightCache,
    index: list[dict[str, str]],
    records: Sequence[ModelRecord] = (),
    refused: Sequence[QuarantinedVersion] = (),
    lineages: Mapping[tuple[str, str], str] = NO_LINEAGES,
    resting: Mapping[str, str] = NOTHING_RESTS,
) -> list[ListedModel]:
    """Served ones and those that only have weights, by name; `index` is Triton's repository index.

    A version that is not loaded and could be stands there as UNLOADED, one that a call would load as ON DEMAND, one
    that was refused as QUARANTINED.
    """
    states = {
        (entry["name"], entry.get("version", "")): entry.get("state", "")
        for entry in index
        if not is_candidate(entry["name"]) and entry["name"] not in resting
    }
    if index:
        for record in records:
            serving = () if record.model in resting else record.serving
            states |= {(record.model, str(n)): "UNLOADED" for n in record.known if n not in serving}
        states |= dict.fromkeys(resting.items(), "ON DEMAND")
    names = {name for name, _ in states}
    states |= {(model, ""): "" for model in manifest.models if model not in names}
    aliases = _aliases(records)
    models = [
        ListedModel(
            name,
            version,
            state,
            _weights_of(name, manifest, cache),
            aliases.get((name, version), ""),
            lineage=lineages.get((name, version), ""),
        )
        for (name, version), state in states.items()
    ]
    models += [ListedModel(one.model, str(one.version), "QUARANTINED", "none", reason=one.reason) for one in refused]
    return sorted(models, key=lambda model: (model.name, int(model.version or 0), model.state))


def _aliases(records: Sequence[ModelRecord]) -> dict[tuple[str, str], str]:
    named: dict[tuple[str, str], str] = {}
    for record in records:
        for alias, number in record.aliases.items():
            before = named.get((record.model, str(number)))
            named[(record.model, str(number))] = f"{before}, {alias}" if before else alias
    return named


def _lineages(folders: Folders) -> dict[tuple[str, str], str]:
    return {
        (model.name, str(one.number)): ", ".join(f"{name} {value}" for name, value in one.lineage.lines().items())
        for model in shown(folders)
        for one in model.versions
        if one.lineage is not None
    }


def _resting(folders: Folders) -> dict[str, str]:
    """Models on demand that are not loaded, with the version that a call gets; ensembles have one."""
    champions = {model.name: str(model.record.champion) for model in shown(folders) if model.record is not None}
    return {model: champions.get(model, "1") for model, loaded in folders.on_demand.read().items() if not loaded}


def _weights_of(model: str, manifest: Manifest, cache: WeightCache) -> str:
    files = [file for file in manifest.files if file.model == model]
    if not files:
        return "none"
    return "present" if all(cache.has(file) for file in files) else "missing"


def _triton(state: Path | None) -> str | None:
    """HTTP address of the stack's Triton; None while it has none."""
    service = running_stack(state).services.get("triton")
    return service.addresses.get("http") if service else None


def _index(address: str) -> list[dict[str, str]]:
    try:
        answer = httpx.post(f"http://{address}/v2/repository/index", timeout=DEADLINE_S)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(f"Triton at {address} does not list its models: {error}") from error
    index: list[dict[str, str]] = answer.json()
    return index
