"""`conch models list`: what the running stack serves, and which weights are on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.table import Table

from conch.cli.console import err, out, print_json, reporting_errors
from conch.contracts.errors import Unavailable
from conch.stack.state import NoStack, running_stack
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import Manifest

DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class ListedModel:
    name: str
    version: str
    """Empty where the stack serves no version of it."""
    state: str
    """Triton's word: READY, LOADING, UNAVAILABLE…; empty where no stack runs or it has no such model."""
    weights: str
    """present, missing, or none where the model needs none from the cache."""


def list_models(
    state: Annotated[Path | None, typer.Option("--state", help="The stack's state folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a model: name, version, state, weights.")] = False,
) -> None:
    """What the running stack serves, and which weights are here; without a stack, the weights alone."""
    with reporting_errors():
        try:
            triton = _triton(state)
        except NoStack as error:
            err.print(error.message, soft_wrap=True)
            triton = None
        models = listed(Manifest.read(), WeightCache(default_root()), _index(triton) if triton else [])
    if as_json:
        for model in models:
            print_json({"name": model.name, "version": model.version, "state": model.state, "weights": model.weights})
        return
    table = Table("model", "version", "state", "weights")
    for model in models:
        table.add_row(model.name, model.version or "-", model.state or "-", model.weights)
    out.print(table)


def listed(manifest: Manifest, cache: WeightCache, index: list[dict[str, str]]) -> list[ListedModel]:
    """Served ones and those that only have weights, by name; `index` is Triton's repository index."""
    served = [(entry["name"], entry.get("version", ""), entry.get("state", "")) for entry in index]
    others = [(model, "", "") for model in manifest.models if model not in {name for name, _, _ in served}]
    return [
        ListedModel(name, version, state, _weights_of(name, manifest, cache))
        for name, version, state in sorted(served + others)
    ]


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
