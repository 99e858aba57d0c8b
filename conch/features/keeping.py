"""What keeps a catalogue's packed features and its host's snapshots up to date, step by step.

What was touched is packed at once. A snapshot and a promo book are published each minute, and a few seconds after much
has changed. A Redis that was flushed is filled again; one that was away may have told of changes that nobody heard, so
everything is packed once more when it is back.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from conch.contracts.errors import Unavailable
from conch.contracts.features import Columns as Packed
from conch.contracts.identifiers import uuids_of
from conch.contracts.provenance import NO_REASON
from conch.features.promo_book import PromoBookWriter
from conch.features.rebuilding import Rebuilding
from conch.features.reconciling import Reconciler, Repacked
from conch.features.rounds import Rounds
from conch.features.snapshots import SnapshotWriter
from conch.features.wares import Wares, columns_of
from conch.stores.catalogue_folder import CatalogueFolder, Leased
from conch.stores.features import HotFeatures
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.relations import Relations
from conch.stores.rollups import Rollups
from conch.stores.snapshot import Columns, Snapshot

EVERY_S = 60.0
SOON_S = 5.0
"""After much has changed."""
MUCH = 200
"""Keys of categories; one offer is much, too: it may be sold out."""
LOOK_S = 5.0
"""Whether Redis was flushed."""

logger = logging.getLogger(__name__)


class Keeper:
    """Of one catalogue; used by one thread."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        durable: Relations,
        rollups: Callable[[], Rollups],
        *,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`beat` is called now and then while something takes long."""
        self.folder = folder
        self._hot, self._durable = hot, durable
        self._beat, self._clock = beat, clock
        self._reconciler = Reconciler(folder, hot, now_ms)
        self._rounds = Rounds(folder, hot, self._reconciler, clock)
        self._rebuilding = Rebuilding(folder, hot, durable, rollups, lambda _: beat(), now_ms)
        self._snapshots = SnapshotWriter(folder, hot, durable, rollups, now_ms)
        self._promos = PromoBookWriter(folder, hot, clock, now_ms)
        self._offers: dict[str, Packed] = {}
        self._changed = 0
        self._published = self._looked = float("-inf")
        self._away = False

    def touched(self, keys: Sequence[str]) -> None:
        """Their documented keys were written by another program."""
        try:
            done = self._reconciler.touched(keys)
        except Unavailable as error:
            self._lose(error)
            return
        self._take(done)

    def promos(self, keys: Sequence[str]) -> None:
        """They are changed and packed."""
        self._promos.heard(keys)

    def step(self) -> None:
        """Called a few times a second."""
        now = self._clock()
        # Before anything is published, too: of a Redis that was flushed a snapshot and a promo book would know nothing.
        if now - self._looked >= LOOK_S or self._is_due(now):
            self._looked = now
            self._restore()
        if self._is_due(now):
            self._publish()
        if not self._away:
            try:
                self._take(self._rounds.step())
            except Unavailable as error:
                self._lose(error)

    def _take(self, done: Repacked) -> None:
        self._changed += done.written + done.gone
        self._offers |= done.offers
        self._promos.heard(done.promos)

    def _is_due(self, now: float) -> bool:
        waited = now - self._published
        return waited >= EVERY_S or (waited >= SOON_S and (self._changed >= MUCH or bool(self._offers)))

    def close(self) -> None:
        self._hot.close()
        self._durable.close()

    def _restore(self) -> None:
        try:
            if self._away or self._rebuilding.is_due():
                # Who makes or imports it packs it, too, and knows more than there is to be read yet.
                with self.folder.lease():
                    pass
                logger.info("packing all features of %s", self.folder.name)
                logger.info("%d features of %s are packed", self._rebuilding.rebuild(), self.folder.name)
                self._published = float("-inf")
            self._away = False
        except Leased:
            return
        except Unavailable as error:
            self._lose(error)

    def _publish(self) -> None:
        try:
            with self.folder.lease():
                before = Snapshot.open(self.folder.snapshot)
                if before.generation:
                    wares = self._repriced(before.columns) if self._offers else None
                    self._snapshots.write(wares)
                self._promos.write()
        except Leased:
            return  # the importer publishes one itself
        except Unavailable as error:
            self._lose(error)
        self._published = self._clock()
        self._offers, self._changed = {}, 0
        self._beat()

    def _repriced(self, columns: Columns) -> Columns:
        return repriced(columns, self._offers, IdIndex.open(self.folder.ids), self.folder.name)

    def _lose(self, error: Unavailable) -> None:
        if not self._away:
            logger.warning("%s: %s", self.folder.name, error.message)
        self._away = True


def repriced(columns: Columns, offers: Mapping[str, Packed], ids: IdIndex, catalogue: str) -> Columns:
    """With the offers of these masters as another program has written them; what they left out is offered no more."""
    wares = Wares(
        master_category=columns.master_category,
        master_brand=columns.master_brand,
        pid_master=columns.pid_master.copy(),
        pid_price=columns.pid_price.copy(),
        pid_seller=columns.pid_seller.copy(),
        pid_rating=columns.pid_rating.copy(),
        pid_stock=columns.pid_stock,
        category_parent=columns.category_parent,
    )
    masters = ids.look_up(Kind.MASTERS, uuids_of(catalogue, list(offers)))
    for master, packed in zip(masters.tolist(), offers.values(), strict=True):
        if master == NONE or master >= len(columns.master_category):
            continue
        before = columns.offer_pids[columns.offer_starts[master] : columns.offer_starts[master + 1]]
        wares.pid_master[before] = NO_REASON
        if packed:
            pids = packed["pids"].astype(np.uint32)
            known = np.flatnonzero(pids < len(columns.pid_master))
            pids = pids[known]
            wares.pid_master[pids] = master
            wares.pid_price[pids] = packed["prices"][known]
            wares.pid_seller[pids] = packed["sellers"][known]
            wares.pid_rating[pids] = packed["ratings"][known]
    return columns_of(wares)
