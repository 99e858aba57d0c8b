"""What candidates read from stores: two waves for a whole batch, and who answers when a store does not.

    wave 1    profiles: views, liked categories and purchases of every user of the batch; and first exposures, where an
              experiment has segments
    wave 2    relations of every viewed master of the batch that this process does not remember

Redis has those of hot masters, whom the host's snapshot names; of all others the durable store is asked in the same
wave. What Redis lacks all the same comes from the snapshot, and is read of the durable store behind the answer, for the
next one. While Redis is away, or was emptied, the durable store is asked for all; when that is away too, or there was
no time (waves.py), the snapshot answers alone. What is read of a user is never remembered.
"""

import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from conch.contracts.features import Family, Packed, Unreadable, unpack
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import Exposure
from conch.recommendation.interests import COLD, Profile
from conch.recommendation.merging import U4
from conch.recommendation.shopping import Related
from conch.stores.features import HotFeatures
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.snapshot import Snapshot
from conch.stores.waves import DurableBlobs, Wave, Waves

logger = logging.getLogger(__name__)

STALE_MS = 90 * 86_400_000
"""Relations that are older are served and told of."""

REMEMBERED = 20_000
"""Masters whose relations a process keeps: some 20 MB."""

BEHIND_S = 1.0
"""For a read that no answer waits for."""

MISSING = 1_000
"""Masters without relations that are kept in mind: somebody is asked to make them."""

STALE_TOLD = 10_000
"""Masters of whose old relations the log has told within STALE_TOLD_S."""

STALE_TOLD_S = 86_400.0

REMEMBER_S = 60.0
"""With jitter; a message on features:changed forgets at once."""

NO_PROFILES = "redis: what users viewed, liked and bought is not known"
FROM_DURABLE = "redis: relations from the durable store"
EMPTIED = "redis: it was emptied and is being filled again"
NO_DURABLE = "durable store: relations that are not in redis"
FROM_SNAPSHOT = "redis, durable store: relations from the last snapshot"


DENSE: Mapping[Family, tuple[str, Kind]] = {
    Family.SEMANTIC: ("ids", Kind.MASTERS),
    Family.MASTER_CO_VIEW: ("ids", Kind.MASTERS),
    Family.VIEWS: ("masters", Kind.MASTERS),
    Family.BOUGHT: ("masters", Kind.MASTERS),
    Family.RECENT_CATEGORIES: ("ids", Kind.CATEGORIES),
}
"""The column whose ids are looked up in a map."""

Wanted = tuple[Family, int]
"""A relation of a master."""


@dataclass
class Tally:
    """Since this process began: what the metrics say."""

    hits: int = 0
    """Relations that Redis or this process had."""
    misses: int = 0
    unreadable: int = 0
    stale: int = 0
    """Relations that were read and are older than STALE_MS."""
    unknown: int = 0
    """Ids that the newest generation does not know: they were left out."""


@dataclass(frozen=True, slots=True)
class Shoppers:
    """Users of a batch, in order."""

    profiles: Sequence[Profile]
    """COLD where nothing is known."""
    exposures: Sequence[Exposure | None]
    """To whatever experiment."""
    are_all: bool
    """False: there is no store, or what it lacks it may have had."""
    degraded: set[str]


@dataclass(frozen=True, slots=True)
class _Remembered:
    related: Related | None
    until: float


@dataclass(frozen=True, slots=True)
class _Read:
    """One wave of relations, by place."""

    asked: Sequence[Wanted]
    keys: Sequence[str]
    hot: Wave
    cold: Sequence[int]
    """Places of masters that the hot store is not expected to have: the durable one is asked for them at once."""
    of_cold: Callable[[], Wave]
    """Waits for it."""


class FeatureReader:
    """Of one catalogue; used by one thread."""

    def __init__(
        self,
        keys: CatalogueKeys,
        hot: HotFeatures | None,
        durable: DurableBlobs,
        *,
        ids: Callable[[int], IdIndex] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`hot` None: there is none, and nobody expects one. `ids` is asked for a generation that a blob was packed by
        and gives the newest that there is; None: whoever calls looks at ids himself."""
        self._keys = keys
        self._waves = Waves(hot, durable, keys.features_kept, clock)
        self._ids, self._generation = ids, 0
        self._clock = clock
        self._now_ms = now_ms
        self._remembered: OrderedDict[tuple[Family, int], _Remembered] = OrderedDict()
        self._missing: list[str] = []
        self._told: OrderedDict[str, float] = OrderedDict()
        self._behind: tuple[Sequence[int], Future[Wave]] | None = None
        """Masters whose relations are read for the next answer."""
        self.tally = Tally()

    @property
    def reads(self) -> int:
        """Waves, since this process began."""
        return self._waves.made

    def profiles(self, users: Sequence[str], until: float = math.inf) -> tuple[Sequence[Profile], set[str]]:
        """In order, COLD where nothing is known; and what was down. `until`, by the clock, is when all reads of the
        batch must be over."""
        known = [user for user in dict.fromkeys(users) if user]
        keys = [key for user in known for key in self._keys.profile(user)]
        wave = self._waves.hot(keys, until)
        found: dict[str, Profile] = {}
        for place, user in enumerate(known):
            views, liked, bought = wave.blobs[3 * place : 3 * place + 3]
            found[user] = self._profile(views, liked, bought)
        return [found.get(user, COLD) for user in users], _lack(wave, NO_PROFILES)

    def shoppers(self, users: Sequence[str], until: float = math.inf) -> Shoppers:
        """As `profiles`, and of the same wave first exposures."""
        known = [user for user in dict.fromkeys(users) if user]
        wave = self._waves.hot([key for user in known for key in self._keys.of_user(user)], until)
        profiles: dict[str, Profile] = {}
        exposures: dict[str, Exposure | None] = {}
        for place, user in enumerate(known):
            views, liked, bought, exposure = wave.blobs[4 * place : 4 * place + 4]
            profiles[user] = self._profile(views, liked, bought)
            exposures[user] = self._exposure(exposure)
        degraded = _lack(wave, NO_PROFILES)
        return Shoppers(
            [profiles.get(user, COLD) for user in users],
            [exposures.get(user) for user in users],
            self._waves.has_hot and not degraded,
            degraded,
        )

    def related(
        self,
        wanted: Mapping[Family, Iterable[int]],
        ids: IdIndex,
        snapshot: Snapshot,
        until: float = math.inf,
    ) -> tuple[Mapping[Family, Mapping[int, Related]], set[str]]:
        """By family and master; those without relations are absent. And what was down."""
        found: dict[Family, dict[int, Related]] = {family: {} for family in wanted}
        asked: list[Wanted] = []
        self._remember_behind(ids)
        now = self._clock()
        for family, masters in wanted.items():
            for master in dict.fromkeys(masters):
                remembered = self._remembered.get((family, master))
                if remembered is None or remembered.until < now:
                    asked.append((family, master))
                elif remembered.related is not None:
                    found[family][master] = remembered.related
                    self.tally.hits += 1
        return found, self._read_related(asked, ids, snapshot, found, until) if asked else set()

    def forget(self, masters: Iterable[int]) -> None:
        """What was remembered of them."""
        # What is being read behind an answer may be older.
        self._behind = None
        for master in masters:
            for family in (Family.SEMANTIC, Family.MASTER_CO_VIEW):
                self._remembered.pop((family, master), None)

    def forget_all(self) -> None:
        self._behind = None
        self._remembered.clear()

    def missing(self) -> Sequence[str]:
        """Masters that were found to have no relations since this was asked last, at most MISSING."""
        missing, self._missing = self._missing, []
        return missing

    def close(self) -> None:
        self._waves.close()

    def _read_related(
        self,
        asked: Sequence[Wanted],
        ids: IdIndex,
        snapshot: Snapshot,
        found: Mapping[Family, dict[int, Related]],
        until: float,
    ) -> set[str]:
        """Adds what there is to `found`."""
        # Masters seen together are Redis' alone, and only hot ones have them: what is not there is nowhere.
        semantic = [place for place, (family, _) in enumerate(asked) if family is Family.SEMANTIC]
        read = self._read(asked, semantic, ids, snapshot, until)
        features = [self._unpacked(blob, family) for blob, (family, _) in zip(read.hot.blobs, asked, strict=True)]
        self.tally.hits += sum(feature is not None for feature in features)
        missing = [place for place in semantic if features[place] is None]
        self.tally.misses += len(missing)
        rows, degraded = self._rows(read, missing, until)
        for place in missing:
            features[place] = self._unpacked(rows.get(place), Family.SEMANTIC)
        lacking = [asked[place][1] for place in missing if features[place] is None]
        found[Family.SEMANTIC].update(_of_snapshot(lacking, snapshot))
        for key, (family, master), feature in zip(read.keys, asked, features, strict=True):
            if feature is not None:
                found[family][master] = self._related(key, feature)
            elif family is Family.SEMANTIC and not degraded:
                self._note_missing(key)
            if not degraded:
                self._remember(family, master, found[family].get(master))
        return degraded

    def _read(
        self, asked: Sequence[Wanted], semantic: Sequence[int], ids: IdIndex, snapshot: Snapshot, until: float
    ) -> _Read:
        """`semantic` are the places that the durable store has, too."""
        keys = self._keys_of(asked, ids)
        are_hot = _among([asked[place][1] for place in semantic], snapshot.plain.active_masters)
        cold = [place for place, is_hot in zip(semantic, are_hot, strict=True) if not is_hot]
        hot, of_cold = self._waves.both(keys, [keys[place] for place in cold], until)
        return _Read(asked, keys, hot, cold, of_cold)

    def _rows(self, read: _Read, missing: Sequence[int], until: float) -> tuple[Mapping[int, bytes | None], set[str]]:
        """What the durable store has of what Redis lacks, by place; and what was down."""
        rows: dict[int, bytes | None] = {}
        cold, degraded, away = set(read.cold), _lack(read.hot, FROM_DURABLE), False
        if not cold.isdisjoint(missing):
            durable = read.of_cold()
            rows |= zip(read.cold, durable.blobs, strict=True)
            away = durable.away
        late = [place for place in missing if place not in cold]
        keys = [read.keys[place] for place in late]
        if degraded:
            durable = self._waves.durable(keys, until)
            rows |= zip(late, durable.blobs, strict=True)
            away |= durable.away
        elif late:
            self._read_behind(keys, [read.asked[place][1] for place in late])
        if away:
            degraded = {FROM_SNAPSHOT} if read.hot.away else {*degraded, NO_DURABLE}
        return rows, degraded

    def _note_missing(self, key: str) -> None:
        if len(self._missing) < MISSING:
            self._missing.append(self._name(key))

    def _read_behind(self, keys: Sequence[str], masters: Sequence[int]) -> None:
        """One at a time: what is not read now is read when it is missed again."""
        if self._behind is None:
            self._behind = masters, self._waves.beside(keys, self._clock() + BEHIND_S)

    def _remember_behind(self, ids: IdIndex) -> None:
        if self._behind is None or not self._behind[1].done():
            return
        (masters, read), self._behind = self._behind, None
        keys = self._keys_of([(Family.SEMANTIC, master) for master in masters], ids)
        for key, master, row in zip(keys, masters, read.result().blobs, strict=True):
            if (feature := self._unpacked(row, Family.SEMANTIC)) is not None:
                self._remember(Family.SEMANTIC, master, self._related(key, feature))

    def _keys_of(self, asked: Sequence[Wanted], ids: IdIndex) -> list[str]:
        names = texts_of(ids.uuids(Kind.MASTERS, np.array([master for _, master in asked], np.uint32)))
        return [
            self._keys.semantic(name) if family is Family.SEMANTIC else self._keys.master_co_view(name)
            for name, (family, _) in zip(names, asked, strict=True)
        ]

    def _profile(self, views: bytes | None, liked: bytes | None, bought: bytes | None) -> Profile:
        seen = self._unpacked(views, Family.VIEWS)
        likes = self._unpacked(liked, Family.RECENT_CATEGORIES)
        orders = self._unpacked(bought, Family.BOUGHT)
        if seen is None and likes is None and orders is None:
            return COLD
        columns: dict[str, object] = {}
        if seen is not None:
            columns["views"] = seen.columns["masters"]
        if likes is not None:
            columns |= {
                "liked": likes.columns["ids"],
                "liked_weights": likes.columns["weights"],
                "liked_times": likes.columns["times"],
            }
        if orders is not None:
            columns["bought"] = orders.columns["masters"]
        return Profile(**columns)  # type: ignore[arg-type]

    def _exposure(self, blob: bytes | None) -> Exposure | None:
        if blob is None:
            return None
        try:
            return Exposure.decode(blob)
        except Unreadable:
            self.tally.unreadable += 1
            return None

    def _name(self, key: str) -> str:
        _, name = self._keys.parsed(key) or ("", "")
        return name

    def _related(self, key: str, feature: Packed) -> Related:
        made_ms = feature.stamp.window_end_ms
        stale = feature.family is Family.SEMANTIC and 0 < made_ms < self._now_ms() - STALE_MS
        if stale:
            self.tally.stale += 1
            self._tell_stale(key, made_ms)
        return Related(feature.columns["ids"], feature.columns["scores"], stale)  # type: ignore[arg-type]

    def _tell_stale(self, key: str, made_ms: int) -> None:
        """Once a day a master."""
        now = self._clock()
        if self._told.get(key, -STALE_TOLD_S) > now - STALE_TOLD_S:
            return
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > STALE_TOLD:
            self._told.popitem(last=False)
        days = (self._now_ms() - made_ms) // 86_400_000
        logger.warning("relations %s are %d days old, at most %d", key, days, STALE_MS // 86_400_000)

    def _remember(self, family: Family, master: int, related: Related | None) -> None:
        until = self._clock() + REMEMBER_S * random.uniform(0.8, 1.2)
        self._remembered[family, master] = _Remembered(related, until)
        self._remembered.move_to_end((family, master))
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def _unpacked(self, blob: bytes | None, family: Family) -> Packed | None:
        if blob is None:
            return None
        try:
            feature = unpack(blob, family)
        except Unreadable:
            self.tally.unreadable += 1
            return None
        return feature if feature.generation <= self._generation or self._ids is None else self._known(feature)

    def _known(self, feature: Packed) -> Packed:
        """Of a generation that was not met before: what the newest does not know either is left out."""
        ids = self._ids(feature.generation) if self._ids is not None else IdIndex.empty()
        self._generation = ids.generation
        if feature.generation <= ids.generation:
            return feature
        name, kind = DENSE[feature.family]
        column: npt.NDArray[np.uint32] = feature.columns[name].astype(np.uint32)
        known = (column < ids.size(kind)) | (column == NONE)
        self.tally.unknown += int(len(known) - known.sum())
        return replace(feature, columns={name: values[known] for name, values in feature.columns.items()})


def _lack(wave: Wave, away: str) -> set[str]:
    if wave.away:
        return {away}
    return {EMPTIED} if wave.emptied else set()


def _among(masters: Sequence[int], known: U4) -> Sequence[bool]:
    """Of each whether `known`, which ascends, has it."""
    if not len(known):
        return [False] * len(masters)
    wanted = np.array(masters, np.uint32)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    are_there: Sequence[bool] = (known[places] == wanted).tolist()
    return are_there


def _of_snapshot(masters: Sequence[int], snapshot: Snapshot) -> Mapping[int, Related]:
    """Semantic relations of active masters; there are no others in a snapshot."""
    columns = snapshot.columns
    known: U4 = columns.relation_masters
    found: dict[int, Related] = {}
    for master in masters:
        place = int(np.searchsorted(known, np.uint32(master)))
        if place < len(known) and known[place] == master:
            here = slice(int(columns.relation_starts[place]), int(columns.relation_starts[place + 1]))
            found[master] = Related(columns.relation_ids[here], columns.relation_scores[here])
    return found
