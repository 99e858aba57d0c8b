"""Where the files of one catalogue lie, and the lease of who writes them.

{state}/catalogues/{catalogue}/ids/               generations of the ids         (ids.py)
                               snapshot/          generations of the snapshot    (snapshot.py)
                               promos/            generations of the promo book
                               nearest/           generations of the index of meanings
                               catalogue.sqlite   durable relations, and what was imported
                               rollups.duckdb     sales by the pane, for who writes them
                               rollups/           generations of them, for who reads
                               features.toml      what families of keys have, where that is not the usual
                               lease              held (flock) by its one writer
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.identity import TENANT_NAME
from conch.contracts.keys import CatalogueKeys
from conch.flocks import held

CATALOGUES = "catalogues"
"""In a stack's state folder."""


class Leased(Unavailable):
    """Somebody else writes the catalogue."""


@dataclass(frozen=True, slots=True)
class CatalogueFolder:
    path: Path

    @classmethod
    def of(cls, catalogues: Path, catalogue: str) -> Self:
        """Raises InvalidRequest for what cannot be the name of a tenant."""
        if not TENANT_NAME.fullmatch(catalogue):
            raise InvalidRequest(
                f"catalogue {catalogue[:80]!r} is not 1 to 63 of a-z, 0-9, - and _, as a tenant's name"
            )
        return cls(catalogues / catalogue)

    @classmethod
    def all(cls, catalogues: Path) -> Sequence[Self]:
        """In which something was published; a copy that is called as no tenant can be is none."""
        folders = [pointer.parent.parent for pointer in sorted(catalogues.glob("*/ids/current"))]
        return [cls(folder) for folder in folders if TENANT_NAME.fullmatch(folder.name)]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def keys(self) -> CatalogueKeys:
        return CatalogueKeys(self.name)

    @property
    def ids(self) -> Path:
        return self.path / "ids"

    @property
    def snapshot(self) -> Path:
        return self.path / "snapshot"

    @property
    def promos(self) -> Path:
        return self.path / "promos"

    @property
    def nearest(self) -> Path:
        return self.path / "nearest"

    @property
    def relations(self) -> Path:
        return self.path / "catalogue.sqlite"

    @property
    def families(self) -> Path:
        return self.path / "features.toml"

    @property
    def rollups(self) -> Path:
        return self.path / "rollups.duckdb"

    @property
    def published_rollups(self) -> Path:
        return self.path / "rollups"

    @contextlib.contextmanager
    def lease(self, name: str = "lease") -> Iterator[None]:
        """The right to publish ids, records and snapshots, or what another name stands for; it ends with the process
        that holds it. Raises Leased."""

        def leased(who: str) -> Leased:
            return Leased(f"catalogue {self.name} is being written (pid {who}); try again")

        with held(self.path / name, leased):
            yield
