"""What follows from views and purchases: profiles, what sells, and what is seen together. Ids are rows throughout."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conch.catalogue.sessions import HOUR_MS, Views
from conch.contracts.keys import BEST_SELLERS_KEPT, BOUGHT_KEPT, CO_VIEW_KEPT, VIEWS_KEPT
from conch.contracts.provenance import NO_REASON
from conch.features.wares import lineages
from conch.stores.rollups import DEFAULT_WEIGHTS
from conch.stores.snapshot import F4, U4

HALF_LIFE_H = 24.0
"""Of an interest, and of what was seen together."""

MASTERS_CO_VIEWED = 50
"""Kept of a master."""

DAY_MS = 24 * HOUR_MS

I8 = npt.NDArray[np.int64]
F8 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Lists of owners, one after the other: members by (-score, member), scores above 0."""

    owners: I8
    members: U4
    scores: F4


@dataclass(frozen=True, slots=True)
class Events:
    """Of users, the last first."""

    users: I8
    members: U4
    at_ms: I8


@dataclass(frozen=True, slots=True)
class Sold:
    """Units and views of an offer in a category within a pane; category NO_REASON is everything."""

    pane_ms: I8
    category: U4
    offer: U4
    units: I8
    views: I8


def last_views(views: Views) -> Events:
    return _last(views.user, views.offer, views.at_ms, VIEWS_KEPT)


def purchases(views: Views) -> Events:
    """Masters."""
    some = views.bought
    return _last(views.user[some], views.master[some], views.at_ms[some], BOUGHT_KEPT)


def interests(views: Views, now_ms: int) -> Ranked:
    """Of users in leaves, decayed to now."""
    return _summed(views.user, views.leaf, _decayed(views.at_ms, now_ms), CO_VIEW_KEPT)


def seen_together(views: Views, members: U4, weights: F8, most: int) -> Ranked:
    """Each pair once a session: with the weight of its first view."""
    order = np.lexsort((views.at_ms, members, views.session))
    session, member, weight = views.session[order], members[order], weights[order]
    new = np.ones(len(order), bool)
    new[1:] = (session[1:] != session[:-1]) | (member[1:] != member[:-1])
    session, member, weight = session[new], member[new], weight[new]
    owners: list[U4] = []
    others: list[U4] = []
    values: list[F8] = []
    for apart in range(1, len(session)):
        same = session[apart:] == session[:-apart]
        if not same.any():
            break
        left, right, value = member[:-apart][same], member[apart:][same], weight[:-apart][same]
        owners += [left, right]
        others += [right, left]
        values += [value, value]
    if not owners:
        return _summed(np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0), most)
    return _summed(np.concatenate(owners), np.concatenate(others), np.concatenate(values), most)


def recency(views: Views, now_ms: int) -> F8:
    return _decayed(views.at_ms, now_ms)


def sold(views: Views, leaf_categories: U4, parents: U4, now_ms: int, pane_ms: int) -> Sold:
    """Of the last day: each for its leaf, each ancestor and everything."""
    recent = np.flatnonzero(views.at_ms > now_ms - DAY_MS)
    table = lineages(parents)[leaf_categories[views.leaf[recent]]]
    # Everything stands last; what comes after a root is nothing.
    table = np.concatenate([table, np.full((len(recent), 1), NO_REASON, np.uint32)], axis=1)
    counts = table != NO_REASON
    counts[:, -1] = True
    row = np.nonzero(counts)[0]
    offers = int(views.offer.max(initial=0)) + 1
    # All that two of them share in one number: sorting numbers is ten times as fast as sorting rows.
    categories, category = np.unique(table[counts], return_inverse=True)
    first = (now_ms - DAY_MS) // pane_ms
    pane = (views.at_ms[recent] // pane_ms - first)[row]
    offer, bought = views.offer[recent].astype(np.int64)[row], views.bought[recent][row]
    unique, inverse = np.unique((pane * len(categories) + category) * offers + offer, return_inverse=True)
    rest, offer = np.divmod(unique, offers)
    pane, category = np.divmod(rest, max(len(categories), 1))
    return Sold(
        pane_ms=(pane + first) * pane_ms,
        category=categories[category],
        offer=offer.astype(np.uint32),
        units=np.bincount(inverse, bought, len(unique)).astype(np.int64),
        views=np.bincount(inverse, minlength=len(unique)).astype(np.int64),
    )


def best_sellers(sold: Sold, now_ms: int) -> Ranked:
    """Of categories, as the rollups say it too."""
    weights = DEFAULT_WEIGHTS
    units = weights.day + weights.hour * (sold.pane_ms > now_ms - HOUR_MS)
    scores = units * sold.units + weights.views * sold.views
    known = (sold.category != NO_REASON) & (sold.pane_ms > now_ms - DAY_MS)
    return _summed(sold.category[known], sold.offer[known], scores[known], BEST_SELLERS_KEPT)


def _decayed(at_ms: I8, now_ms: int) -> F8:
    weights: F8 = 0.5 ** ((now_ms - at_ms) / (HALF_LIFE_H * HOUR_MS))
    return weights


def _last(users: I8, members: U4, at_ms: I8, most: int) -> Events:
    order = np.lexsort((members, -at_ms, users))
    rank = _rank_within(users[order])
    kept = order[rank < most]
    return Events(users[kept], members[kept], at_ms[kept])


def _summed(owners: I8 | U4, members: U4, scores: F8, most: int) -> Ranked:
    keys = owners.astype(np.int64) << 32 | members
    unique, inverse = np.unique(keys, return_inverse=True)
    sums = np.bincount(inverse, scores, len(unique)).astype(np.float32)
    owner, member = unique >> 32, (unique & 0xFFFFFFFF).astype(np.uint32)
    order = np.lexsort((member, -sums, owner))
    kept = order[_rank_within(owner[order]) < most]
    return Ranked(owner[kept], member[kept], sums[kept])


def _rank_within(groups: I8) -> I8:
    """Place of each among its likes, which stand together."""
    begins = np.flatnonzero(np.diff(groups, prepend=-1) != 0)
    lengths = np.diff(begins, append=len(groups))
    rank: I8 = np.arange(len(groups)) - np.repeat(begins, lengths)
    return rank
