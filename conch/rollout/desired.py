"""What every server should serve: the versions that `live/` names, whether by a record or as they came."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from conch.clients.model_config import parse_config
from conch.contracts.errors import InvalidRequest
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.probes import ModelProbe, probes_of
from conch.rollout.refusals import RefusedVersion
from conch.rollout.versions import is_candidate

Versions = Sequence[int]


class Desired:
    """`read()` again and again; a config is parsed when it has changed."""

    def __init__(self, folders: Folders, resting: Callable[[], Collection[str]] = tuple) -> None:
        """`resting` are models that no server should serve now."""
        self._folders = folders
        self._resting = resting
        self._configs: dict[Path, tuple[int, Any]] = {}

    def read(self) -> Mapping[str, Versions]:
        """By model; candidates are nobody's wish, and ensembles follow their models."""
        wanted: dict[str, Versions] = {}
        resting = self._resting()
        for folder in sorted(self._folders.live_models.glob("*")):
            if folder.name in resting or is_candidate(folder.name):
                continue
            if (config := self.config(folder.name)) is not None:
                wanted[folder.name] = _chosen(config.version_policy, self._folders.live_versions(folder.name))
        return wanted

    def config(self, model: str) -> Any:
        """None where there is none that can be read."""
        path = self._folders.live_models / model / CONFIG
        try:
            changed = path.stat().st_mtime_ns
            if self._configs.get(path, (None, None))[0] != changed:
                self._configs[path] = changed, parse_config(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, InvalidRequest):
            return None
        return self._configs[path][1]

    def probes(self, model: str, versions: Versions) -> Sequence[ModelProbe]:
        """What the newest of `versions` is asked; nothing where nobody has told how to ask it."""
        config = self.config(model)
        if config is None or not versions:
            return ()
        own = self._folders.configs(model, versions[-1])
        try:
            return probes_of(config, own, self._folders.version(model, versions[-1]))
        except RefusedVersion:
            return ()


def _chosen(policy: Any, there: Versions) -> Versions:
    """As Triton would."""
    match policy.WhichOneof("policy_choice"):
        case "specific":
            return sorted(policy.specific.versions)
        case "all":
            return there
        case _:
            return there[-max(1, policy.latest.num_versions) :]
