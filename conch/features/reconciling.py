"""Packed forms follow the documented keys that other programs write.

Safe to repeat: a key is read as it stands now, whatever was said of it and how often.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Columns, Family, Stamp, Unreadable, stamp_of, unpack
from conch.features.families import Families
from conch.features.packing import TTL_S, Packer, mended
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import Hash, HotFeatures, Value, Write
from conch.stores.ids import IdIndex
from conch.stores.snapshot import Snapshot

logger = logging.getLogger(__name__)


@dataclass
class Repacked:
    written: int = 0
    gone: int = 0
    """Documented keys that stand no more: their packed forms are deleted."""
    refused: list[str] = field(default_factory=list)
    """Why, key by key."""
    offers: dict[str, Columns] = field(default_factory=dict)
    """Of masters, by their names in keys; empty columns where they are gone."""
    promos: set[str] = field(default_factory=set)
    """Their keys."""

    def with_more(self, more: "Repacked") -> "Repacked":
        return Repacked(
            self.written + more.written,
            self.gone + more.gone,
            [*self.refused, *more.refused],
            self.offers | more.offers,
            self.promos | more.promos,
        )


class Reconciler:
    """Of one catalogue. Raises Unavailable where Redis is away."""

    def __init__(
        self,
        folder: CatalogueFolder,
        hot: HotFeatures,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._folder, self._hot, self._now_ms = folder, hot, now_ms

    def packer(self) -> Packer:
        return packer_of(self._folder)

    def put(self, key: str, value: Value) -> None:
        """Both forms. Raises InvalidRequest for what cannot be packed."""
        packer = self.packer()
        family = packer.family(key)
        (standing,) = self._hot.read([key])
        packed = packer.packed(key, value, mended(standing, self._now_ms()))
        self._hot.write([Write(key, packed, value, TTL_S.get(family))])
        self._tell([key])

    def touched(self, keys: Sequence[str]) -> Repacked:
        """Another program has written these documented keys just now."""
        return self.repack(keys, mended)

    def repack(self, keys: Sequence[str], stamped: Callable[[bytes | None, int], Stamp]) -> Repacked:
        """`stamped`: of the packed form that stands there, and now."""
        packer, done = self.packer(), Repacked()
        known = [key for key in dict.fromkeys(keys) if self._is_ours(packer, key, done)]
        writes: list[Write] = []
        gone: list[str] = []
        told: list[str] = []
        for key, standing, value in zip(known, self._hot.read(known), self._hot.all_documented(known), strict=True):
            if value is None:
                gone.append(key)
                continue
            try:
                packed = packer.packed(key, value, stamped(standing, self._now_ms()))
            except InvalidRequest as error:
                done.refused.append(error.message)
                continue
            family = packer.family(key)
            if packer.has_packed(key):
                writes.append(Write(key, packed, None, TTL_S.get(family)))
            told.append(key)
            self._note(done, key, family, packed, value)
        self._hot.write(writes)
        gone = [key for key, done_so in zip(gone, self._hot.forsake(gone), strict=True) if done_so]
        for key in gone:
            self._note(done, key, packer.family(key), b"", None)
        done.written, done.gone = len(writes), len(gone)
        self._tell([*told, *gone])
        for reason in done.refused:
            logger.warning("not packed: %s", reason)
        if packer.unknown:
            logger.info("%d members that the catalogue does not know were left out", packer.unknown)
        return done

    def _is_ours(self, packer: Packer, key: str, done: Repacked) -> bool:
        try:
            packer.family(key)
        except InvalidRequest as error:
            done.refused.append(error.message)
            return False
        return True

    def _note(self, done: Repacked, key: str, family: Family, packed: bytes, value: Value | None) -> None:
        if family is Family.OFFERS:
            _, master = self._folder.keys.parsed(key) or ("", "")
            done.offers[master] = unpack(packed, family).columns if isinstance(value, Hash) else {}
        if family is Family.PROMO:
            done.promos.add(key)

    def _tell(self, keys: Sequence[str]) -> None:
        names = self._folder.keys
        self._hot.publish(names.features_packed, keys)
        promos = [parsed[1] for key in keys if (parsed := names.parsed(key)) and parsed[0] == "promo"]
        self._hot.publish(names.promos_changed, promos)


def packer_of(folder: CatalogueFolder) -> Packer:
    """Of the ids and the snapshot that are published now."""
    pids = Snapshot.open(folder.snapshot).columns.pid_master
    return Packer(folder.keys, IdIndex.open(folder.ids), pids, Families.read(folder.families))


def rebuilt(standing: bytes | None, now_ms: int) -> Stamp:
    """Of what is packed again though nobody wrote it: it is as old as it was."""
    try:
        stamp = stamp_of(standing) if standing else None
    except Unreadable:
        stamp = None
    if stamp is None:
        return Stamp(0, now_ms, 0)
    return Stamp(stamp.epoch, stamp.window_end_ms, stamp.revision + 1)
