"""What a shopper may like, and why: the values that faces and clients share (proto/conch/recommend/v1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wish:
    """A request of Recommend; ids are the caller's own."""

    user: str = ""
    """Empty: nobody we know."""
    item: str = ""
    """A pid or a master that is looked at."""
    category: str = ""
    widget: str = ""
    """Of the scenarios; empty: the first."""
    k: int = 0
    """Items of this page; 0: the widget's."""
    exclude: tuple[str, ...] = ()
    variant: str = ""
    """Empty: assigned by the user."""
    strict: bool = False
    """Promos are read anew from the store."""
    recommendation_id: str = ""
    """Of a list that was served a short while ago: a later page of it."""
    offset: int = 0
    """First item of that page, from 0."""
    explain: str = ""
    """A pid or a master."""


@dataclass(frozen=True, slots=True)
class Provenance:
    sources: tuple[str, ...] = ()
    """In the order of provenance.Source."""
    base: float = 0.0
    """The score of the candidates, before rules."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Of the base, by source; those above 0."""
    because_master: str = ""
    because_category: str = ""
    """What gave most: at most one of the two."""
    changes: tuple[str, ...] = ()
    """In the order of provenance.Change."""
    boost: float = 1.0
    flash_bonus: float = 0.0
    bid: float = 1.0


PRICE_DIGITS = 4
"""After the point. A price travels as a float32: 15.61 comes as 15.609999656677246."""


@dataclass(frozen=True, slots=True)
class Item:
    pid: str
    master: str
    score: float
    price: float = 0.0
    """To PRICE_DIGITS; 0: unknown."""
    provenance: Provenance = Provenance()


@dataclass(frozen=True, slots=True)
class Explanation:
    item: str
    state: str
    """served, cut, excluded, seen, bought, out_of_stock, capped, no_offer, not_a_candidate or unknown."""
    detail: str = ""
    rank: int = 0
    """1 is the first; 0 where it is not in the list."""
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    recommendation_id: str
    items: tuple[Item, ...]
    variant: str
    fallback: str = ""
    """Why the list is not personal; empty where it is."""
    degraded: tuple[str, ...] = ()
    """What was down, and who answered in its place."""
    more: bool = False
    """There are items after these."""
    explanation: Explanation | None = None
    segment: str = ""
    """What the user is to an experiment that has segments (segments.py); empty: it has none."""


@dataclass(frozen=True, slots=True)
class RelatedMaster:
    master: str
    score: float


@dataclass(frozen=True, slots=True)
class RelatedMasters:
    masters: tuple[RelatedMaster, ...]
    source: str
    """relations, nearest or category_best_sellers."""
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BestSeller:
    pid: str
    master: str
    score: float


@dataclass(frozen=True, slots=True)
class BestSellers:
    items: tuple[BestSeller, ...]
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reranked:
    items: tuple[Item, ...]
    unknown: tuple[str, ...] = ()
    """Candidates that are no master of the catalogue."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Masters that did not go out, by provenance.DROPPED; those above 0."""
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    index: int
    """In the request."""
    reason: str


@dataclass(frozen=True, slots=True)
class Tracked:
    accepted: int
    """Events that the log has."""
    refused: tuple[Refused, ...] = ()
