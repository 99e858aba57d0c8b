"""Checked weight files, one for each content: `~/.cache/conch/weights/<sha256>`.

    verified_weights(["whisper"])   # {"whisper/1": {"model.bin": Path(...), ...}}, or an error that says what is wrong

Files are read-only and meant to be hard-linked from. Two models that share a file share its bytes.
"""

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.weights.manifest import Manifest, WeightFile


class WeightsMissing(Unavailable):
    """A weight file is not in the cache."""


class WeightsDamaged(Unavailable):
    """A weight file is not what the manifest says it is."""


def default_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Under XDG_CACHE_HOME, or ~/.cache where that is not set."""
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "conch" / "weights"


class WeightCache:
    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        return self._root

    def path(self, file: WeightFile) -> Path:
        """Where the file stands once it is there."""
        return self._root / file.sha256

    def has(self, file: WeightFile) -> bool:
        """Whether a file of the right size is there: cheap, and no proof."""
        try:
            return self.path(file).stat().st_size == file.size_bytes
        except OSError:
            return False

    def verify(self, file: WeightFile) -> Path:
        """Read every byte; raises WeightsMissing or WeightsDamaged, which name the file and what disagrees."""
        path = self.path(file)
        try:
            check_content(path, file)
        except FileNotFoundError:
            raise WeightsMissing(
                f"weights of {file} are missing: expected sha256 {file.sha256} ({file.size_bytes} bytes) at {path}; "
                f"run: conch models pull {file.model}"
            ) from None
        except WeightsDamaged as error:
            raise WeightsDamaged(f"{error.message} at {path}; run: conch models pull {file.model}") from None
        return path


def check_content(path: Path, file: WeightFile) -> None:
    """Raises WeightsDamaged when the bytes at `path` are not those of `file`."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        size_bytes = stream.seek(0, os.SEEK_END)
    if (found, size_bytes) != (file.sha256, file.size_bytes):
        raise WeightsDamaged(
            f"weights of {file} are damaged: expected sha256 {file.sha256} ({file.size_bytes} bytes), "
            f"found {found} ({size_bytes} bytes)"
        )


def verified_weights(
    models: Collection[str] | None = None, *, manifest: Manifest | None = None, cache: WeightCache | None = None
) -> dict[str, dict[str, Path]]:
    """Checked files by `<model>/<version>`, then by name: what `conch up` links into the repository's folders.

    Of the models named, of which some may need none; None means all that serving needs. Raises WeightsMissing or
    WeightsDamaged, which name file, expected and found.
    """
    manifest = manifest or Manifest.read()
    cache = cache or WeightCache(default_root())
    checked: dict[str, dict[str, Path]] = {}
    for file in manifest.needed:
        if models is None or file.model in models:
            checked.setdefault(f"{file.model}/{file.version}", {})[file.file] = cache.verify(file)
    return checked
