"""At the stack's start: what was published is carried over into the next `live/`, as the records say.

The repository gives the versions that came with it, `live/` those that were published, each held against its checksums.
"""

import logging
import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from conch.durable import remove_folder, write_text
from conch.rollout.folders import CONFIG, CONFIGS, PROBES, Folders, Pending
from conch.rollout.live_config import keep_configs, live_config, preferred, write_live_config
from conch.rollout.manifest import FileManifest
from conch.rollout.pinned import forget_pinned
from conch.rollout.record import ModelRecord
from conch.rollout.refusals import NotUnderstood, RefusedVersion
from conch.rollout.versions import version_folders

logger = logging.getLogger(__name__)

LinkOrCopy = Callable[[str, str], object]


def restore(folders: Folders, next_models: Path, link: LinkOrCopy) -> list[str]:
    """Into `next_models`, which no server reads yet; the names of the models that were published or rolled back."""
    return [record.model for record in folders.records.all() if _restore(folders, record, next_models, link)]


def keep_all_configs(folders: Folders, next_models: Path, restored: Collection[str]) -> None:
    """Of the models that come from the repository alone: what they say of themselves is kept with their versions.

    Beside config.pbtxt nothing is left in `next_models`: what a first promotion would take away there, or add, would
    cost its champion a load.
    """
    for target in sorted(path for path in next_models.iterdir() if path.name not in restored):
        for version in version_folders([path.name for path in target.iterdir()]):
            keep_configs(target, folders.configs(target.name, version))
        text = preferred(target, folders.config_name).read_text(encoding="utf-8")
        _leave_alone(target)
        write_text(target / CONFIG, text)


def _restore(folders: Folders, record: ModelRecord, next_models: Path, link: LinkOrCopy) -> bool:
    target = next_models / record.model
    target.mkdir(exist_ok=True)
    if set(record.known) != set(record.published) and (target / CONFIG).is_file():
        for version in set(record.known) - set(record.published):
            keep_configs(target, folders.configs(record.model, version))
    for version in version_folders([path.name for path in target.iterdir()]):
        if version not in record.known or version in record.published:
            shutil.rmtree(target / str(version))
    whole = [
        version
        for version in record.known
        if version not in record.published or _carry(folders, record.model, version, target / str(version), link)
    ]
    there = [version for version in whole if (target / str(version)).is_dir()]
    if not there:
        logger.error("model %s has no version left that can be served", record.model)
        shutil.rmtree(target)
        return False
    kept = _without_lost(folders, record, there)
    own = folders.configs(kept.model, kept.champion)
    _leave_alone(target)
    write_live_config(target, live_config(own, folders.config_name, kept.model, kept.serving))
    return True


def _leave_alone(target: Path) -> None:
    """The config.pbtxt and the versions."""
    shutil.rmtree(target / CONFIGS, ignore_errors=True)
    (target / PROBES).unlink(missing_ok=True)


def _carry(folders: Folders, model: str, version: int, target: Path, link: LinkOrCopy) -> bool:
    source = folders.version(model, version)
    try:
        manifest = FileManifest.read(source)
        if manifest is None:
            raise RefusedVersion("it is gone, or has no checksums")
        manifest.verify(source)
    except (RefusedVersion, OSError) as error:
        logger.error("model %s version %d is left out: %s", model, version, error)
        folders.journal.append("lost", model, version, reason=str(error))
        return False
    shutil.copytree(source, target, copy_function=link)
    return True


def _without_lost(folders: Folders, record: ModelRecord, there: list[int]) -> ModelRecord:
    """The record as it can be kept: a champion that is lost gives way to the one before it."""
    if record.champion in there and set(record.known) == set(there):
        return record
    candidates = [version for version in (record.champion, *reversed(record.before)) if version in there]
    champion = candidates[0] if candidates else max(there)
    serving = tuple(version for version in record.serving if version in there and version < champion)
    before = tuple(version for version in record.before if version in there and version != champion)
    published = tuple(version for version in record.published if version in there)
    kept = replace(
        record,
        champion=champion,
        serving=(*serving, champion),
        known=tuple(there),
        published=published,
        before=before,
        named={alias: version for alias, version in record.named.items() if version in there},
    )
    folders.journal.append("fell back", record.model, champion, before=record.champion)
    return folders.records.write(kept)


def forget_unfinished(folders: Folders) -> None:
    """What a publisher left that ended with the stack: what is not in a record was never there."""
    try:
        pending = folders.pending()
    except NotUnderstood as error:
        # live/ is made anew from the records: which versions it was of is not needed.
        logger.warning("taken away: %s", error.message)
        pending = Pending({})
    if pending is None:
        return
    for model, version in pending.versions.items():
        record = folders.records.read(model)
        finished = record is not None and version in record.known
        if not finished:
            shutil.rmtree(folders.configs(model, version), ignore_errors=True)
        folders.journal.append("recovered", model, version, finished=finished)
    forget_pinned(folders.rollout)
    folders.records.settle()
    folders.end()


def sweep_candidates(folders: Folders) -> None:
    """Before a server starts: it would load them, and one of them may be why it ended."""
    for path in folders.candidates():
        remove_folder(path, folders.staging)
