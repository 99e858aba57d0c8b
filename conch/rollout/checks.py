"""Whether a staged version fits what its model promises, before any server sees it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from conch.clients.model_config import parse_config
from conch.contracts.errors import InvalidRequest
from conch.rollout.entry_point import EntryPoint
from conch.rollout.folders import CONFIG, CONFIGS
from conch.rollout.model_configs import Kind, findings
from conch.rollout.onnx_files import check_onnx
from conch.rollout.refusals import RefusedVersion
from conch.rollout.staging import StagedVersion


def check(staged: StagedVersion, champion: Path | None, champion_own: Path | None) -> None:
    """Raises RefusedVersion for the first thing found. `champion`'s is what callers know."""
    configs = {CONFIG: staged.own / CONFIG} | {
        f"{CONFIGS}/{path.name}": path for path in sorted((staged.own / CONFIGS).glob("*.pbtxt"))
    }
    known = read_config(champion_own / CONFIG) if champion_own is not None else None
    for name, path in configs.items():
        config = read_config(path)
        if config.name not in ("", staged.model):
            raise RefusedVersion(f"{name} is of model {config.name}, not of {staged.model}")
        if config.backend == "python" and not staged.signed_by:
            _check_ours(staged, name, config)
        if known is not None:
            _check_contract(name, config, known)
    check_onnx(staged.data, champion)


def read_config(path: Path) -> Any:
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except (InvalidRequest, UnicodeDecodeError) as error:
        raise RefusedVersion(f"{path.name}: {error}") from error


def _check_ours(staged: StagedVersion, name: str, config: Any) -> None:
    spec = replace(EntryPoint.read(staged.data).spec(), name=staged.model)
    kind: Kind = "KIND_GPU" if name == f"{CONFIGS}/gpu.pbtxt" else "KIND_CPU"
    for finding in findings(config, spec, kind):
        raise RefusedVersion(f"{name}: {finding}")


def _check_contract(name: str, config: Any, known: Any) -> None:
    """A version takes and gives what the one before did: callers do not change with it."""
    for what in ("input", "output"):
        ours, theirs = (sorted(str(tensor) for tensor in getattr(one, what)) for one in (config, known))
        if ours != theirs:
            raise RefusedVersion(f"{name}: its {what}s are others than those of the version before; name a new model")
