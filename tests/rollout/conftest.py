"""A state folder with a model that is live, versions to publish, and a Triton in memory that reads `live/`."""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pytest

from conch.clients.model_config import parse_config
from conch.contracts.errors import Unavailable
from conch.rollout.folders import Folders
from conch.rollout.probes import ModelProbe
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import RefusedVersion
from conch.rollout.server import ModelServer

CHECKOUT = Path(__file__).parents[2] / "model_repository/intent"


class MemoryTriton(ModelServer):
    """What a version does stands in its file `behaviour`: empty, or the step at which it fails."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self.served: dict[str, list[int]] = {}
        self.away = False
        self.hanging: set[str] = set()
        self.ensembles: dict[str, dict[str, int]] = {}

    async def load(self, model: str, deadline_s: float) -> None:
        self._answer()
        ensemble = self._folders.root / "live/ensembles" / model / "config.pbtxt"
        if ensemble.is_file():
            steps = parse_config(ensemble.read_text()).ensemble_scheduling.step
            self.ensembles[model] = {step.model_name: step.model_version for step in steps}
            return
        folder = self._folders.live_models / model
        policy = parse_config((folder / "config.pbtxt").read_text()).version_policy
        wanted = list(policy.specific.versions) or [max(self._folders.live_versions(model))]
        for version in wanted:
            # Triton 2.51 never returns from a load of such a folder.
            assert (folder / str(version) / "model.py").is_file()
            if self._behaviour(model, version) == "load":
                raise RefusedVersion("it does not load: so it says")
        self.served[model] = wanted

    async def unload(self, model: str, deadline_s: float) -> None:
        self._answer()
        self.served.pop(model, None)

    async def loading(self) -> Collection[str]:
        self._answer()
        return self.hanging

    async def ready(self) -> Mapping[str, Sequence[int]]:
        self._answer()
        return self.served

    async def ask(self, model: str, version: int, probe: ModelProbe, deadline_s: float) -> None:
        self._answer()
        if version not in self.served[model]:
            raise RefusedVersion(f"version {version} is not at ready state")
        if self._behaviour(model, version) == "answer":
            raise RefusedVersion("output intent is wrong")

    def through(self, ensemble: str) -> list[int]:
        """The version of each step that answers a caller of the ensemble."""
        versions = []
        for model, version in self.ensembles[ensemble].items():
            chosen = max(self.served[model]) if version == -1 else version
            assert chosen in self.served[model]
            versions.append(chosen)
        return versions

    def restart(self) -> None:
        """All that is in the folder is loaded, as by --load-model=*."""
        self.served = {}
        for folder in self._folders.live_models.iterdir():
            if not (folder / "config.pbtxt").is_file():
                continue  # listed, and not loaded
            policy = parse_config((folder / "config.pbtxt").read_text()).version_policy
            versions = self._folders.live_versions(folder.name)
            self.served[folder.name] = list(policy.specific.versions) or versions[-1:]

    def _behaviour(self, model: str, version: int) -> str:
        path = self._folders.version(model, version) / "behaviour"
        return path.read_text() if path.is_file() else ""

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("Triton is away")


def state_folder(root: Path) -> Folders:
    """`repository/` and `live/` hold version 1 of intent."""
    for shelf in ("repository", "live/models"):
        version = root / shelf / "intent/1"
        version.mkdir(parents=True)
        shutil.copy(CHECKOUT / "config.pbtxt", version.parent)
        shutil.copy(CHECKOUT / "1/model.py", version)
    return Folders(root)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return state_folder(tmp_path)


@pytest.fixture
def triton(folders: Folders) -> MemoryTriton:
    triton = MemoryTriton(folders)
    triton.restart()
    return triton


@pytest.fixture
def publisher(folders: Folders, triton: MemoryTriton) -> Publisher:
    return Publisher(folders, triton)


@pytest.fixture
def version(tmp_path: Path) -> Callable[..., Path]:
    """`version("good")` is a folder to publish; `behaviour` is for MemoryTriton."""

    def make(name: str, behaviour: str = "") -> Path:
        folder = tmp_path / "new" / name
        folder.mkdir(parents=True)
        shutil.copy(CHECKOUT / "1/model.py", folder)
        (folder / "behaviour").write_text(behaviour)
        (folder / "weights.bin").write_bytes(name.encode() * 100)
        return folder

    return make
