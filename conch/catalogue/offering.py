"""Offers of imported masters, in the durable store and in Redis."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from conch.catalogue.records import Offer, Records
from conch.contracts.features import Family, Packed, Stamp, pack
from conch.contracts.identifiers import texts_of
from conch.features.packing import NO_PACKED
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash, HotFeatures, SortedSet, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.relations import PackedRow, Relations, Table

HOT = 100_000
"""Masters of a catalogue that all stand in Redis, new ones as seen just now; of a larger one those that are active."""

AT_ONCE = 5_000
"""Masters of one transaction."""

PIPELINE = 500


class Offering:
    def __init__(
        self,
        folder: CatalogueFolder,
        ids: IdIndex,
        records: Records,
        hot: HotFeatures,
        durable: Relations,
        now_ms: int,
    ) -> None:
        self._keys, self._ids, self._records = folder.keys, ids, records
        self._hot, self._durable = hot, durable
        self._now_ms = now_ms

    def offer(self, masters: Sequence[int], new: Sequence[int]) -> None:
        """Both forms in both stores. Raises Unavailable."""
        active = self._active(new)
        for at in range(0, len(masters), AT_ONCE):
            some = masters[at : at + AT_ONCE]
            writes = list(self._writes(some))
            rows = sorted(writes, key=lambda row: row[0])
            self._durable.load(Table.OFFERS, _rows(rows), [PackedRow(write.key, write.packed) for _, write in rows])
            hot = [write for name, write in writes if active is None or name in active]
            for place in range(0, len(hot), PIPELINE):
                self._hot.write(hot[place : place + PIPELINE])

    def _active(self, new: Sequence[int]) -> frozenset[str] | None:
        """Names of those that stand in Redis; None: all do."""
        key = self._keys.active_masters
        standing = self._hot.documented(key)
        scores = dict(standing.scores) if isinstance(standing, SortedSet) else {}
        if self._ids.size(Kind.MASTERS) > HOT:
            return frozenset(scores)
        if new:
            for name in texts_of(self._ids.uuids(Kind.MASTERS, np.array(new, np.uint32))):
                scores.setdefault(name, float(self._now_ms))
            self._hot.write([Write(key, NO_PACKED, SortedSet(scores))])
        return None

    def _writes(self, masters: Sequence[int]) -> Iterator[tuple[str, Write]]:
        offers = list(self._records.offers_of(masters))
        pids = texts_of(self._ids.uuids(Kind.PIDS, np.array([offer.pid for offer in offers], np.uint32)))
        named = zip(offers, pids, strict=True)
        names = dict(zip(masters, texts_of(self._ids.uuids(Kind.MASTERS, np.array(masters, np.uint32))), strict=True))
        for master, own in groupby(named, key=lambda pair: pair[0].master):
            name, listed = names[master], list(own)
            said = {pid: self._said(offer) for offer, pid in listed}
            yield name, Write(self._keys.offers(name), self._packed([offer for offer, _ in listed]), Hash(said))

    def _said(self, offer: Offer) -> str:
        return f"{offer.price:.2f}:{self._ids.text(Kind.SELLERS, offer.seller)}:{offer.rating:.1f}"

    def _packed(self, offers: Iterable[Offer]) -> bytes:
        rows = list(offers)
        columns = {
            "pids": np.array([row.pid for row in rows], np.uint32),
            "prices": np.array([row.price for row in rows], np.float32),
            "sellers": np.array([row.seller for row in rows], np.uint32),
            "ratings": np.array([row.rating for row in rows], np.float32),
        }
        return pack(Packed(Family.OFFERS, columns, self._ids.generation, Stamp(0, self._now_ms, 0)))


def _rows(writes: Iterable[tuple[str, Write]]) -> Iterator[tuple[str, ...]]:
    """Of `master_to_pids`."""
    for name, write in writes:
        if isinstance(write.value, Hash):
            yield name, json.dumps(list(write.value.fields)), json.dumps(dict(write.value.fields))
