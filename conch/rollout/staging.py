"""Bring a version onto the disk that Triton reads from, where Triton does not look yet: copied, checked, durable."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from conch.durable import sync_tree
from conch.rollout.files import check_files, ours_alone, signed
from conch.rollout.folders import Folders
from conch.rollout.lineage import Lineage
from conch.rollout.live_config import keep_configs
from conch.rollout.manifest import CHECKSUMS, IGNORED, FileManifest, files_of
from conch.rollout.policy import Policy
from conch.rollout.refusals import RefusedVersion
from conch.rollout.signatures import signer_of
from conch.rollout.source import Source


@dataclass(frozen=True, slots=True)
class StagedVersion:
    model: str
    version: int
    data: Path
    own: Path
    """Its config.pbtxt, configs/ and probes.json."""
    signed_by: str = ""
    """The trusted key that vouches for its Python; empty: it has none but the entry point of ours."""


def stage(
    folders: Folders, source: Source, model: str, version: int, inherited: Path | None, policy: Policy
) -> StagedVersion:
    """`inherited` holds the config of the version before, for a source that brings none.

    Raises RefusedVersion for files that may not be there, do not fit their checksums, or change while they are copied.
    """
    signed_by = signer_of(source.data, policy.trusted_keys)
    may_be_code = signed if signed_by else ours_alone
    check_files(source.data, may_be_code)
    manifest = FileManifest.of(source.data)
    if not manifest.files:
        raise RefusedVersion("it has no files")
    brought = FileManifest.read(source.data)
    if brought is not None:
        brought.verify(source.data)
    data = folders.staging / f"{model}-{version}"
    staged = StagedVersion(model, version, data, data.with_name(f"{data.name}.own"), signed_by)
    folders.clear_staging()
    folders.staging.mkdir(parents=True)
    shutil.copytree(source.data, staged.data, ignore=shutil.ignore_patterns(*IGNORED), symlinks=True)
    check_files(staged.data, may_be_code)
    # Against what it was before the copy: somebody may still be writing.
    manifest.verify(staged.data)
    if brought is None:
        manifest.write(staged.data)
    else:
        _check_brought(staged, policy)
    Lineage.read(staged.data)
    own = source.config or inherited
    if own is None:
        raise RefusedVersion("it brings no config.pbtxt, and there is no version before it")
    keep_configs(own, staged.own)
    for path in files_of(staged.data):
        path.chmod(0o444)  # shared with the candidate and with the next start's live/ by hard links
    sync_tree(staged.data)
    return staged


def _check_brought(staged: StagedVersion, policy: Policy) -> None:
    """Once more, of the copy that nobody else writes to: what was signed is what will be served."""
    brought = FileManifest.read(staged.data)
    if brought is None:
        raise RefusedVersion(f"{CHECKSUMS} went away while it was copied")
    brought.verify(staged.data)
    if signer_of(staged.data, policy.trusted_keys) != staged.signed_by:
        raise RefusedVersion("its signature changed while it was copied")
