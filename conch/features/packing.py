"""Documented values as packed columns, by dense id: one function a family.

Members that the catalogue does not know are left out and counted. What another program wrote may be of any kind and
hold anything: InvalidRequest says what is wrong with it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Columns, Family, Packed, Stamp, Unreadable, pack, stamp_of
from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import RECENT_CATEGORIES_TTL_S, SEMANTIC_TTL_S, CatalogueKeys
from conch.contracts.segments import Exposure
from conch.features.families import Families
from conch.stores.features import Hash, List, SortedSet, Value
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.snapshot import U4

NO_PACKED = b""
"""Of a documented key that is read as it is."""

SOONEST_EXPIRY = 1_000_000_000
"""Below it an expiry is no epoch in milliseconds."""

OUT_OF_STOCK, FLASH_SALE = 1, 2
WRONG = -1.0
"""For a field that is no number: the ranker ignores and counts it as it does a negative one."""

FAMILY_OF: Mapping[str, Family] = {
    "master:sem": Family.SEMANTIC,
    "master:co_view": Family.MASTER_CO_VIEW,
    "master:pids": Family.OFFERS,
    "cat:co_view": Family.CO_VIEW,
    "cat:rels": Family.RELATED_CATEGORIES,
    "cat:bestsellers": Family.BEST_SELLERS,
    "user:recent_cats": Family.RECENT_CATEGORIES,
    "user:views": Family.VIEWS,
    "user:bought": Family.BOUGHT,
    "user:segment": Family.EXPOSURE,
    "promo": Family.PROMO,
}

TTL_S: Mapping[Family, int] = {Family.SEMANTIC: SEMANTIC_TTL_S, Family.RECENT_CATEGORIES: RECENT_CATEGORIES_TTL_S}
"""Of documented keys that do not stay for good."""

_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no"})


@dataclass
class Packer:
    """Of one catalogue and one generation of its ids."""

    keys: CatalogueKeys
    ids: IdIndex
    pid_master: U4
    """Of the snapshot: views and purchases are written by pid and read by master."""
    families: Families = field(default_factory=Families)
    unknown: int = field(default=0, init=False)
    """Members that were left out."""

    def family(self, key: str) -> Family:
        """Raises InvalidRequest for a key that has no packed form here."""
        parsed = self.keys.parsed(key)
        if parsed is None:
            raise InvalidRequest(f"{key[:100]!r} is no documented key of catalogue {self.keys.catalogue}")
        return FAMILY_OF[parsed[0]]

    def packed(self, key: str, value: Value, stamp: Stamp) -> bytes:
        family = self.family(key)
        try:
            columns = _PACK[family](self, value, stamp)
        except InvalidRequest as error:
            raise InvalidRequest(f"{key}: {error.message}") from error
        return pack(Packed(family, columns, self.ids.generation, stamp))

    def known(self, kind: Kind, names: Sequence[str]) -> tuple[U4, np.ndarray[tuple[int], np.dtype[np.intp]]]:
        """Ids of those that are known, and their places."""
        try:
            uuids = uuids_of(self.keys.catalogue, list(names))
        except InvalidRequest as error:
            raise InvalidRequest(f"a member is no id: {error.message}") from error
        found = self.ids.look_up(kind, uuids)
        places = np.flatnonzero(found != NONE)
        self.unknown += len(found) - len(places)
        return found[places], places

    def has_packed(self, key: str) -> bool:
        """Whether a packed form stands beside it in the hot store."""
        family, _ = self.keys.parsed(key) or ("", "")
        return family not in self.families.plain

    def masters_of(self, pids: U4) -> U4:
        masters = np.full(len(pids), NONE, np.uint32)
        here = pids < len(self.pid_master)
        masters[here] = self.pid_master[pids[here]]
        return masters


def mended(standing: bytes | None, now_ms: int) -> Stamp:
    """Of what replaces it though it is not of a later window: another program, or a person, says so."""
    try:
        stamp = stamp_of(standing) if standing else Stamp()
    except Unreadable:
        stamp = Stamp()
    if now_ms > stamp.window_end_ms:
        return Stamp(stamp.epoch, now_ms, 0)
    return Stamp(stamp.epoch, stamp.window_end_ms, stamp.revision + 1)


def promo_columns(fields: Mapping[str, str]) -> Columns:
    """Raises InvalidRequest for an expiry that can only be in seconds."""
    expiry = _number(fields.get("expiry", "")) if fields.get("expiry") else 0.0
    if math.isnan(expiry) or expiry >= 2**63:
        expiry = 0.0
    if 0 < expiry < SOONEST_EXPIRY:
        raise InvalidRequest(f"expiry is {fields['expiry']}, it is epoch milliseconds and at least {SOONEST_EXPIRY}")
    flags = OUT_OF_STOCK * _flag(fields, "out_of_stock") + FLASH_SALE * _flag(fields, "flash_sale")
    return {
        "boost": np.array([_amount(fields, "boost")], np.float32),
        "ad_bid": np.array([_amount(fields, "ad_bid")], np.float32),
        "expiry": np.array([max(int(expiry), 0)], np.int64),
        "flags": np.array([flags], np.uint32),
    }


def _scored(packer: Packer, value: Value, kind: Kind, most: int | None = None) -> Columns:
    scores = _sorted_set(value)
    ids, places = packer.known(kind, list(scores))
    values = np.array(list(scores.values()), np.float32)[places]
    order = np.lexsort((ids, -values))[:most]
    return {"ids": ids[order], "scores": values[order]}


def _semantic(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    return _scored(packer, value, Kind.MASTERS, packer.families.relations)


def _masters(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    return _scored(packer, value, Kind.MASTERS)


def _categories(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    return _scored(packer, value, Kind.CATEGORIES)


def _pids(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    return _scored(packer, value, Kind.PIDS)


def _recent_categories(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    columns = _scored(packer, value, Kind.CATEGORIES)
    # The documented score is the interest as of its writing.
    times = np.full(len(columns["ids"]), stamp.window_end_ms, np.int64)
    return {"ids": columns["ids"], "weights": columns["scores"], "times": times}


def _views(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    if not isinstance(value, List):
        raise InvalidRequest(f"it is a {_kind(value)}, not a list")
    pids, _ = packer.known(Kind.PIDS, value.items)
    return {"pids": pids, "masters": packer.masters_of(pids)}


def _bought(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    times = _sorted_set(value)
    pids, places = packer.known(Kind.PIDS, list(times))
    masters = packer.masters_of(pids)
    bought = np.array(list(times.values()), np.float64)[places].astype(np.int64)
    kept = masters != NONE
    order = np.lexsort((masters[kept], -bought[kept]))
    return {"masters": masters[kept][order], "times": bought[kept][order]}


def _exposure(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    return Exposure.of(_hash(value)).columns


def _offers(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    said = _hash(value)
    pids, places = packer.known(Kind.PIDS, list(said))
    texts = list(said.values())
    parts = [_offer(texts[place]) for place in places.tolist()]
    sellers = packer.ids.look_up(
        Kind.SELLERS, uuids_of(packer.keys.catalogue, [seller or "-" for _, seller, _ in parts])
    )
    return {
        "pids": pids,
        "prices": np.array([price for price, _, _ in parts], np.float32),
        "sellers": sellers,
        "ratings": np.array([rating for _, _, rating in parts], np.float32),
    }


def _promo(packer: Packer, value: Value, stamp: Stamp) -> Columns:
    return promo_columns(_hash(value))


_PACK: Mapping[Family, Callable[[Packer, Value, Stamp], Columns]] = {
    Family.SEMANTIC: _semantic,
    Family.MASTER_CO_VIEW: _masters,
    Family.OFFERS: _offers,
    Family.CO_VIEW: _categories,
    Family.RELATED_CATEGORIES: _categories,
    Family.BEST_SELLERS: _pids,
    Family.RECENT_CATEGORIES: _recent_categories,
    Family.VIEWS: _views,
    Family.BOUGHT: _bought,
    Family.EXPOSURE: _exposure,
    Family.PROMO: _promo,
}


def _sorted_set(value: Value) -> Mapping[str, float]:
    if not isinstance(value, SortedSet):
        raise InvalidRequest(f"it is a {_kind(value)}, not a sorted set")
    wrong = next((member for member, score in value.scores.items() if not math.isfinite(score)), None)
    if wrong is not None:
        raise InvalidRequest(f"the score of {wrong[:80]!r} is {value.scores[wrong]}")
    return value.scores


def _hash(value: Value) -> Mapping[str, str]:
    if not isinstance(value, Hash):
        raise InvalidRequest(f"it is a {_kind(value)}, not a hash")
    return value.fields


def _offer(text: str) -> tuple[float, str, float]:
    """price:seller:rating; a seller may have colons in its name."""
    price_text, _, rest = text.partition(":")
    seller, separator, rating_text = rest.rpartition(":")
    price, rating = _number(price_text), _number(rating_text) if rating_text else 0.0
    if not separator or not 0 <= price < math.inf or not 0 <= rating <= 5:
        raise InvalidRequest(f"an offer is {text[:80]!r}, not price:seller:rating")
    return price, seller, rating


def _amount(fields: Mapping[str, str], name: str) -> float:
    """NaN where there is none."""
    if name not in fields:
        return math.nan
    value = _number(fields[name])
    return value if math.isfinite(value) else WRONG


def _flag(fields: Mapping[str, str], name: str) -> int:
    word = fields.get(name, "").strip().lower()
    if word not in _TRUE | _FALSE:
        raise InvalidRequest(f"{name} is {word[:40]!r}, it is 1 or 0")
    return int(word in _TRUE)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _kind(value: Value) -> str:
    return {SortedSet: "sorted set", List: "list", Hash: "hash"}[type(value)]
