"""Which versions stay loaded beside the champion: a number of each model, and a bound for all of them together."""

from dataclasses import replace

from conch.rollout.folders import Folders
from conch.rollout.manifest import files_of
from conch.rollout.policy import Policy
from conch.rollout.record import ModelRecord


def kept(folders: Folders, record: ModelRecord, policy: Policy) -> ModelRecord:
    """`record` without the warm versions that the policy has no room for, the oldest first.

    Those of other models stay: a publishing changes what one model serves.
    """
    warm = [version for version in record.serving if version != record.champion]
    warm = warm[len(warm) - min(len(warm), policy.loaded_versions - 1) :]
    if policy.warm_bytes is not None:
        taken = sum(_warm_bytes(folders, other) for other in folders.records.all() if other.model != record.model)
        while warm and taken + sum(size_bytes(folders, record.model, one) for one in warm) > policy.warm_bytes:
            del warm[0]
    return replace(record, serving=(*warm, record.champion))


def size_bytes(folders: Folders, model: str, version: int) -> int:
    folder = folders.version(model, version)
    return sum(path.stat().st_size for path in files_of(folder) if path.is_file())


def _warm_bytes(folders: Folders, record: ModelRecord) -> int:
    return sum(size_bytes(folders, record.model, one) for one in record.serving if one != record.champion)
