"""What somebody wants to publish: the folder of a version, or that of a model with a version in it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from conch.contracts.errors import InvalidRequest
from conch.rollout.folders import CONFIG, CONFIGS, PROBES
from conch.rollout.manifest import FileSum, fingerprint
from conch.rollout.versions import version_folders, version_number


@dataclass(frozen=True, slots=True)
class Source:
    data: Path
    """The version's files."""
    config: Path | None
    """The folder that holds its config.pbtxt; None: it is served by the config of the version before."""
    number: int | None
    """The version its folder is named for."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises InvalidRequest for what is no folder, is named for no version, or holds none."""
        if not path.is_dir():
            raise InvalidRequest(f"{path} is no folder")
        versions = version_folders([one.name for one in path.iterdir() if one.is_dir()])
        data = path / str(versions[-1]) if versions else path
        config = next((one for one in (data, path) if (one / CONFIG).is_file()), None)
        number = version_number(data.name) if data.name.isdecimal() else None
        return cls(data, config, number)

    @property
    def fingerprint(self) -> str:
        """Of the version and what comes with it."""
        total = hashlib.sha256(fingerprint(self.data).encode())
        if self.config is not None and self.config != self.data:
            paths = [self.config / CONFIG, self.config / PROBES, *sorted((self.config / CONFIGS).glob("*.pbtxt"))]
            for path in paths:
                if path.is_file():
                    total.update(f"{path.name}\0{FileSum.of(path).sha256}\0".encode())
        return total.hexdigest()
