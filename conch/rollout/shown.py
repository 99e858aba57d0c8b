"""How the models stand, for those who look: what is served, what could be, and what was refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from conch.contracts.errors import NotFound
from conch.rollout.folders import Folders
from conch.rollout.lineage import Lineage
from conch.rollout.quarantine import QuarantinedVersion
from conch.rollout.record import ModelRecord
from conch.rollout.refusals import RefusedVersion
from conch.rollout.versions import is_candidate, model_name


@dataclass(frozen=True, slots=True)
class ShownVersion:
    number: int
    published: bool
    """False: it came with the repository."""
    lineage: Lineage | None


@dataclass(frozen=True, slots=True)
class ShownModel:
    record: ModelRecord | None
    """None of a model that never got further than the quarantine. Of one on demand that is not loaded none serves."""
    versions: Sequence[ShownVersion]
    refused: Sequence[QuarantinedVersion]

    @property
    def name(self) -> str:
        return self.record.model if self.record else self.refused[0].model


def shown(folders: Folders) -> list[ShownModel]:
    """Every model, by name."""
    names = {record.model for record in folders.records.all()} | {one.model for one in folders.quarantine.all()}
    live = {path.name for path in folders.live_models.glob("*") if not is_candidate(path.name)}
    return [model for name in sorted(names | live) if (model := _shown(folders, name)) is not None]


def shown_model(folders: Folders, name: str) -> ShownModel:
    """Raises NotFound."""
    if (model := _shown(folders, model_name(name))) is None:
        raise NotFound(f"there is no model {name}")
    return model


def _shown(folders: Folders, name: str) -> ShownModel | None:
    record = folders.records.read(name) or _as_it_came(folders, name)
    if record is not None and folders.on_demand.read().get(name) is False:
        record = replace(record, serving=())
    refused = [one for one in folders.quarantine.all() if one.model == name]
    if record is None and not refused:
        return None
    known = sorted(record.known) if record else []
    published = record.published if record else ()
    versions = [ShownVersion(one, one in published, _lineage(folders, name, one)) for one in known]
    return ShownModel(record, versions, refused)


def _as_it_came(folders: Folders, name: str) -> ModelRecord | None:
    """Of a model that nobody has published: what the repository gave."""
    versions = folders.live_versions(name)
    return ModelRecord(name, versions[-1], (versions[-1],), tuple(versions)) if versions else None


def _lineage(folders: Folders, name: str, version: int) -> Lineage | None:
    try:
        return Lineage.read(folders.version(name, version))
    except RefusedVersion:
        # Of a version that came with the repository, which nobody has checked.
        return None
