"""The rules of conch/recommendation/ranking.py with dicts, as one would write them down."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from conch.contracts.provenance import Change
from conch.recommendation.scenarios import Ranking


@dataclass(frozen=True)
class Promo:
    boost: float | None = None
    bid: float | None = None
    expiry: int = 0
    out_of_stock: bool = False
    flash_sale: bool = False


@dataclass(frozen=True)
class Offer:
    pid: int
    price: float
    rating: float = 4.0
    seller: int = 0
    stock: bool = True
    promo: Promo | None = None


@dataclass(frozen=True)
class Master:
    number: int
    offers: Sequence[Offer]
    brand: int = 0
    category: int = 0


@dataclass(frozen=True)
class Scored:
    """An offer with its rule score."""

    offer: Offer
    rule: float
    boost: float
    bonus: float
    bid: float
    """0: none."""
    changes: Change

    def key(self, score: float) -> tuple[float, ...]:
        return (-score, self.offer.price, -self.offer.rating, self.offer.pid)


@dataclass(frozen=True)
class Item:
    master: int
    pid: int
    score: float
    changes: Change
    adjustments: tuple[float, float, float]


@dataclass
class Ranked:
    items: list[Item] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def scored(offer: Offer, score: float, ranking: Ranking, now_ms: int) -> Scored:
    promo = offer.promo or Promo()
    boost, bonus, bid, changes = 1.0, 0.0, 0.0, Change(0)
    if (promo.boost or 0) < 0 or (promo.bid or 0) < 0:
        changes |= Change.IGNORED
    if promo.expiry and promo.expiry <= now_ms:
        changes |= Change.EXPIRED
    else:
        if promo.boost is not None and promo.boost >= 0 and math.isfinite(promo.boost):
            boost, changes = promo.boost, changes | Change.BOOSTED
        if promo.flash_sale:
            bonus, changes = ranking.flash_bonus, changes | Change.FLASH_SALE
        if promo.bid is not None and promo.bid > 0 and math.isfinite(promo.bid):
            bid = promo.bid
    return Scored(offer, score * boost + bonus, boost, bonus, bid, changes)


def in_stock(offer: Offer) -> bool:
    return offer.stock and not (offer.promo is not None and offer.promo.out_of_stock)


def ranked(masters: Sequence[tuple[Master, float]], ranking: Ranking, k: int, now_ms: int) -> Ranked:
    answer = Ranked()
    best: list[tuple[Master, Scored]] = []
    bidding: list[tuple[Master, Scored]] = []
    for master, score in masters:
        offers = [scored(offer, score, ranking, now_ms) for offer in master.offers]
        stocked = [one for one in offers if in_stock(one.offer)]
        if not stocked:
            answer.dropped["out_of_stock" if offers else "no_offer"] += 1
            continue
        first = min(stocked, key=lambda one: one.key(one.rule))
        if first is not min(offers, key=lambda one: one.key(one.rule)):
            first = Scored(
                first.offer, first.rule, first.boost, first.bonus, first.bid, first.changes | Change.OFFER_SWAPPED
            )
        best.append((master, first))
        if ranking.sponsored and (bids := [one for one in stocked if one.bid > 0]):
            bidding.append((master, min(bids, key=lambda one: one.key(one.rule * one.bid))))
    best.sort(key=lambda pair: pair[1].key(pair[1].rule))
    bidding.sort(key=lambda pair: pair[1].key(pair[1].rule * pair[1].bid))
    sellers: Counter[int] = Counter()
    brands: Counter[int] = Counter()
    categories: Counter[int] = Counter()
    used: set[int] = set()

    def capped(master: Master, one: Scored) -> str:
        if ranking.seller_cap and sellers[one.offer.seller] >= ranking.seller_cap:
            return "seller_cap"
        if ranking.brand_cap and brands[master.brand] >= ranking.brand_cap:
            return "brand_cap"
        return "category_cap" if ranking.category_cap and categories[master.category] >= ranking.category_cap else ""

    def take(master: Master, one: Scored, item: Item) -> None:
        used.add(master.number)
        sellers[one.offer.seller] += 1
        brands[master.brand] += 1
        categories[master.category] += 1
        answer.items.append(item)

    for master, one in bidding:
        if len(answer.items) < min(ranking.sponsored_slots, k) and not capped(master, one):
            changes = one.changes | Change.SPONSORED
            given = (one.boost, one.bonus, one.bid)
            take(master, one, Item(master.number, one.offer.pid, one.rule * one.bid, changes, given))
    for master, one in best:
        if master.number in used:
            continue
        if len(answer.items) >= k:
            answer.dropped["beyond_k"] += 1
        elif why := capped(master, one):
            answer.dropped[why] += 1
        else:
            take(master, one, Item(master.number, one.offer.pid, one.rule, one.changes, (one.boost, one.bonus, 1.0)))
    return answer
