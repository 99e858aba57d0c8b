"""Bring a version onto the disk that Triton reads from, where Triton does not look yet: copied, checked, durable."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from conch.rollout.durable import sync_tree
from conch.rollout.files import check_files
from conch.rollout.folders import Folders
from conch.rollout.live_config import keep_configs
from conch.rollout.manifest import CHECKSUMS, IGNORED, FileManifest, files_of
from conch.rollout.refusals import RefusedVersion
from conch.rollout.source import Source


@dataclass(frozen=True, slots=True)
class StagedVersion:
    model: str
    version: int
    data: Path
    own: Path
    """Its config.pbtxt, configs/ and probes.json."""


def stage(folders: Folders, source: Source, model: str, version: int, inherited: Path | None) -> StagedVersion:
    """`inherited` holds the config of the version before, for a source that brings none.

    Raises RefusedVersion for files that may not be there, do not fit their checksums, or change while they are copied.
    """
    check_files(source.data)
    manifest = FileManifest.of(source.data)
    if not manifest.files:
        raise RefusedVersion("it has no files")
    brought = FileManifest.read(source.data)
    if brought is not None:
        brought.verify(source.data)
    staged = StagedVersion(
        model, version, folders.staging / f"{model}-{version}", folders.staging / f"{model}-{version}.own"
    )
    folders.clear_staging()
    folders.staging.mkdir(parents=True)
    shutil.copytree(source.data, staged.data, ignore=shutil.ignore_patterns(*IGNORED, CHECKSUMS), symlinks=True)
    check_files(staged.data)
    # Against what it was before the copy: somebody may still be writing.
    manifest.verify(staged.data)
    manifest.write(staged.data)
    own = source.config or inherited
    if own is None:
        raise RefusedVersion("it brings no config.pbtxt, and there is no version before it")
    keep_configs(own, staged.own)
    for path in files_of(staged.data):
        path.chmod(0o444)  # shared with the candidate and with the next start's live/ by hard links
    sync_tree(staged.data)
    return staged
