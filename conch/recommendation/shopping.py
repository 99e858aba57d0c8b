"""Candidates of one request from what was read for it: no store and no Triton."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conch.contracts.provenance import NO_REASON, SOURCES, Source
from conch.recommendation.catalogue import Catalogue
from conch.recommendation.interests import Category, Interests, Profile
from conch.recommendation.merging import F4, U4, Pool, Ranked, merge
from conch.recommendation.scenarios import Mix

CATEGORY_BEST_SELLERS = "category_best_sellers"
BEST_SELLERS = "best_sellers"

SEMANTIC, CATEGORY, CO_VIEW, POPULAR = range(len(SOURCES))

_LIKED, _CO_VIEWED, _STALE = int(Source.CATEGORY_LIKED), int(Source.CO_VIEW), int(Source.STALE)


@dataclass(frozen=True, slots=True)
class Related:
    """Relations of one master."""

    masters: U4
    scores: F4
    stale: bool = False
    """Made more than three months ago."""
    source: Source = Source.SEMANTIC
    """NEAREST, where the index of meanings answered for a master without relations."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was read for a request, by viewed master; masters without any are absent."""

    semantic: Mapping[int, Related] = field(default_factory=dict)
    co_view: Mapping[int, Related] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    pool: Pool
    fallback: str
    """Why nothing of it is personal; empty where something is."""


def candidates(interests: Interests, known: Known, catalogue: Catalogue, mix: Mix, excluded: U4, most: int) -> Answer:
    """At most `most`. A request about nothing that we know gets what sells best, and says so."""
    lists = [*_semantic(interests, known, mix), *_co_view(interests, known, mix)]
    personal = bool(lists) or any(category.bits & _LIKED for category in interests.categories)
    lists += _best_sellers(interests.categories, catalogue, mix)
    pool = merge(lists, excluded, most)
    if len(pool):
        return Answer(pool, "" if personal else CATEGORY_BEST_SELLERS)
    for category in interests.categories:
        for ancestor in catalogue.ancestors(category.number):
            wider = Category(ancestor, category.weight, category.bits)
            if len(pool := merge(_best_sellers([wider], catalogue, Mix(category=1.0)), excluded, most)):
                return Answer(pool, CATEGORY_BEST_SELLERS)
    masters, scores = catalogue.popular()
    popular = Ranked(masters, scores, POPULAR, Source.POPULAR, 1.0)
    return Answer(merge([popular], excluded, most), BEST_SELLERS)


def out(profile: Profile, item: int, excluded: U4) -> U4:
    """Masters that must not come: seen, bought, looked at, and what the caller excludes."""
    looked_at = np.array([item] if item != NO_REASON else [], np.uint32)
    return np.concatenate([profile.views, profile.bought, looked_at, excluded])


def _semantic(interests: Interests, known: Known, mix: Mix) -> list[Ranked]:
    return _of_masters(interests, known.semantic, mix.semantic, SEMANTIC)


def _co_view(interests: Interests, known: Known, mix: Mix) -> list[Ranked]:
    return _of_masters(interests, known.co_view, mix.co_view, CO_VIEW)


def _of_masters(interests: Interests, known: Mapping[int, Related], weight: float, source: int) -> list[Ranked]:
    lists: list[Ranked] = []
    for master, recency in interests.masters:
        related = known.get(master)
        if related is not None and weight * recency > 0:
            bits = (_CO_VIEWED if source == CO_VIEW else int(related.source)) | (_STALE if related.stale else 0)
            lists.append(Ranked(related.masters, related.scores, source, bits, weight * recency, master))
    return lists


def _best_sellers(categories: Sequence[Category], catalogue: Catalogue, mix: Mix) -> list[Ranked]:
    if mix.category <= 0:
        return []
    lists: list[Ranked] = []
    for category in categories:
        masters, scores = catalogue.best_sellers(category.number)
        weight = mix.category * category.weight
        lists.append(Ranked(masters, scores, CATEGORY, category.bits, weight, category.number))
    return lists
