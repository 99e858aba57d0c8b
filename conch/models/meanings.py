"""What `nearest` has of a catalogue: its ids, who of its masters is offered, and its indexes of meanings."""

import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from conch.contracts.errors import Internal
from conch.stores import generations, meanings
from conch.stores.attempts import Attempts, Damaged
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import IdIndex
from conch.stores.meanings import Bools, Meanings
from conch.stores.snapshot import Snapshot

logger = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it is looked whether a generation was published."""


class Shelf:
    """Of one catalogue; of nothing where `folder` is None or nothing was published."""

    def __init__(self, folder: CatalogueFolder | None) -> None:
        self._folder = folder
        self._looked = -LOOK_S
        self._attempts = Attempts(folder.name if folder else "", LOOK_S)
        self.ids = IdIndex.empty()
        self.offered: Bools = np.zeros(0, bool)
        """By master: whether anybody offers it."""
        self.indexes: Mapping[str, Meanings] = {}
        """By version of the embedding."""
        self._snapshot = 0
        self._stands = False
        self._told: dict[str, str] = {}

    def refresh(self) -> None:
        """Takes up what was published since; what cannot be read leaves what stands. Raises Damaged where nothing
        does."""
        now = time.monotonic()
        if self._folder is None or (self._stands and now - self._looked < LOOK_S):
            return
        self._looked = now
        try:
            self._attempts.run(partial(self._take_up, self._folder))
        except Damaged:
            if not self._stands:
                raise
        else:
            self._stands = True

    def _take_up(self, folder: CatalogueFolder) -> None:
        ids, offered, snapshot = self.ids, self.offered, self._snapshot
        if generations.current(folder.ids) != ids.generation:
            ids = IdIndex.open(folder.ids)
        if generations.current(folder.snapshot) != snapshot:
            opened = Snapshot.open(folder.snapshot)
            offered, snapshot = np.asarray(np.diff(opened.columns.offer_starts) > 0), opened.generation
        self.ids, self.offered, self._snapshot = ids, offered, snapshot
        found = meanings.versions(folder.nearest)
        if found != {version: index.generation for version, index in self.indexes.items()}:
            self.indexes = {version: index for version in found if (index := self._index(folder, version, found))}

    def _index(self, folder: CatalogueFolder, version: str, found: Mapping[str, int]) -> Meanings | None:
        standing = self.indexes.get(version)
        if standing is not None and standing.generation == found[version]:
            return standing
        try:
            return Meanings.open(folder.nearest, version)
        except Internal as error:
            if self._told.get(version) != error.message:
                logger.warning("catalogue %s: %s", folder.name, error.message)
            self._told[version] = error.message
            return standing


class Shelves:
    """By catalogue, opened when it is first asked for."""

    def __init__(self, catalogues: Path | None) -> None:
        self._catalogues = catalogues
        self._shelves: dict[str, Shelf] = {}

    def of(self, catalogue: str) -> Shelf:
        """As it stands now. An empty one, which is not kept, where nothing was imported: any tenant may ask. Raises
        Damaged."""
        if catalogue not in self._shelves:
            folder = CatalogueFolder.of(self._catalogues, catalogue) if self._catalogues is not None else None
            if folder is None or not generations.has_any(folder.ids):
                return Shelf(None)
            self._shelves[catalogue] = Shelf(folder)
        shelf = self._shelves[catalogue]
        shelf.refresh()
        return shelf
