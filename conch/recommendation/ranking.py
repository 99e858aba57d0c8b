"""Rank masters by their best offers: stock, promos, bids and caps.

    rule(o)       = score of its master · boost(o) + flash bonus where it is in a flash sale
    sponsored(o)  = rule(o) · bid(o)                    in the sponsored slots of a sponsored widget, where bid(o) > 0

Out of stock is out. A boost, a bid and a flash sale end when the promo expires; out of stock does not. Of a master the
best offer is kept: by -rule, price, -rating, id. In a sponsored widget the first places are sponsored slots: they go to
the masters with the best sponsored offers; the others follow by their rule scores. Caps of sellers, brands and
categories pass over what comes after their count is reached. tests/recommendation/ranking_oracle.py says the same with
dicts.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import DROPPED, Change
from conch.recommendation.capping import within_caps
from conch.recommendation.choosing import SOLD_OUT, WITHOUT, choose, effect, hashed, named, place_of, plain
from conch.recommendation.scenarios import Ranking

U4 = npt.NDArray[np.uint32]
F4 = npt.NDArray[np.float32]
I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Promos:
    """Rows by pid, ascending. Boost and bid are NaN and expiry is 0 where there is none."""

    pids: U4
    boosts: F4
    bids: F4
    expiries: I8
    """Epoch ms."""
    flags: U4
    """OUT_OF_STOCK, FLASH_SALE."""


@dataclass(frozen=True, slots=True)
class Offers:
    """The catalogue's, by dense id (conch/stores/snapshot.py)."""

    starts: I8
    pids: U4
    prices: F4
    sellers: U4
    ratings: F4
    stock: U1
    owners: U4
    """By pid: its master."""
    brands: U4
    """By master."""
    categories: U4
    """By master."""
    plain: U4 = field(init=False)
    """By master: the best of its offers that are in stock, and of all, where no promo names one of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", plain(self.starts, self.pids, self.prices, self.ratings, self.stock))


@dataclass(frozen=True, slots=True)
class Market:
    """What is for sale, at which promos."""

    offers: Offers
    promos: Promos
    marks: U1 = field(init=False)
    """Bit `master & 7` of byte `master >> 3`: a promo names one of its offers."""
    table: I4 = field(init=False)
    """Places of promos by pid, hashed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", hashed(self.promos.pids))
        object.__setattr__(self, "marks", named(self.promos.pids, self.offers.owners, len(self.offers.plain)))


@dataclass(frozen=True, slots=True)
class Items:
    """Columns of the same length, the first place first."""

    places: npt.NDArray[np.int64]
    """Of each in the masters that were ranked."""
    pids: U4
    scores: F4
    changes: U4
    """provenance.Change."""
    adjustments: F4
    """(n, 3): boost, flash bonus, bid."""
    dropped: npt.NDArray[np.int32]
    """Masters that did not get in, in the order of provenance.DROPPED."""
    ignored: int
    """Fields of promos that are negative or no number."""


Column = TypeVar("Column", bound=npt.NDArray[Any])


def fixed(column: Column) -> Column:
    """As a plain array that nobody writes: for each other kind, as a mapped one, the kernel would be compiled again."""
    plain: Column = np.asarray(column).view()  # type: ignore[assignment]
    plain.flags.writeable = False
    return plain


def rank(masters: U4, scores: F4, market: Market, ranking: Ranking, k: int, now_ms: int) -> Items:
    """Masters with their candidate scores; at most k items."""
    size = min(k, len(masters))
    places, pids, changes = np.empty(size, np.int64), np.empty(size, np.uint32), np.empty(size, np.uint32)
    final, given, dropped = np.empty(size, np.float32), np.empty((size, 3), np.float32), np.zeros(6, np.int32)
    offers, promos = market.offers, market.promos
    count, ignored = _rank(
        fixed(np.ascontiguousarray(masters)), fixed(np.ascontiguousarray(scores)),
        offers.starts, offers.pids, offers.prices, offers.ratings, offers.stock,
        offers.plain, offers.sellers, offers.brands, offers.categories,
        market.marks, promos.pids, market.table, promos.boosts, promos.bids, promos.expiries, promos.flags,
        np.float64(ranking.flash_bonus), ranking.sponsored, now_ms, ranking.seller_cap, ranking.brand_cap,
        ranking.category_cap, ranking.sponsored_slots if ranking.sponsored else 0, k,
        places, pids, final, changes, given, dropped,
    )  # fmt: skip
    return Items(places[:count], pids[:count], final[:count], changes[:count], given[:count], dropped, ignored)


@numba.njit(cache=True, nogil=True)
def _rank(  # type: ignore[no-untyped-def]
    masters, scores, starts, offers, prices, ratings, stock, plain_offers, sellers, brands, categories,
    marks, promo_pids, table, boosts, bids, expiries, flags, flash_bonus, sponsors, now_ms,
    seller_cap, brand_cap, category_cap, slots, k, places, pids, final, changes, given, dropped,
):  # fmt: skip
    """Into the last six; how many there are, and how many fields were ignored."""
    chosen, rules, swapped, bidders, sponsored, states, ignored = choose(
        masters, scores, starts, offers, prices, ratings, stock, plain_offers, marks,
        promo_pids, table, boosts, bids, expiries, flags, flash_bonus, sponsors, now_ms,
    )  # fmt: skip
    taken, in_slot, causes = within_caps(
        masters, chosen, rules, bidders, sponsored, states, prices, ratings, sellers, brands, categories,
        seller_cap, brand_cap, category_cap, slots, k,
    )  # fmt: skip
    dropped[:] = causes
    dropped[_OUT_OF_STOCK], dropped[_NO_OFFER] = np.sum(states == SOLD_OUT), np.sum(states == WITHOUT)
    for rank in range(len(taken)):
        place = taken[rank]
        pid = bidders[place] if in_slot[rank] else chosen[place]
        row = place_of(pid, promo_pids, table)
        boost, bonus, bid, change = effect(row, boosts, bids, expiries, flags, flash_bonus, now_ms)
        places[rank], pids[rank] = place, pid
        given[rank, 0], given[rank, 1] = boost, bonus
        if in_slot[rank]:
            final[rank], changes[rank], given[rank, 2] = np.float32(sponsored[place]), change | _SPONSORED, bid
        else:
            final[rank], given[rank, 2] = np.float32(rules[place]), 1.0
            changes[rank] = change | (_SWAPPED if swapped[place] else np.uint32(0))
    return len(taken), ignored


_OUT_OF_STOCK, _NO_OFFER = DROPPED.index("out_of_stock"), DROPPED.index("no_offer")
_SWAPPED, _SPONSORED = np.uint32(Change.OFFER_SWAPPED), np.uint32(Change.SPONSORED)
