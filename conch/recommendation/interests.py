"""What a request is about: viewed masters and categories, each with a weight and with how it came in.

    i-th of the distinct last views (an item that is looked at is the first)     recency^i
    category that is named                                                       category_viewed
    category of the i-th view                                                    category_viewed · recency^i
    category that is seen with one of those                                      category_co_viewed · its weight · share
    category that the user has liked lately                                      category_liked · weight / highest

A category that comes in more than once has the highest of its weights; the heaviest are looked at, ties by id.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from conch.contracts.provenance import NO_REASON, Source
from conch.recommendation.catalogue import Catalogue
from conch.recommendation.merging import F4, U4
from conch.recommendation.scenarios import Mix

HOUR_MS = 3_600_000


def _nothing(kind: npt.DTypeLike) -> Callable[[], npt.NDArray[Any]]:
    return lambda: np.zeros(0, kind)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the hot store knows of a user."""

    views: U4 = field(default_factory=_nothing(np.uint32))
    """Masters, the last view first."""
    liked: U4 = field(default_factory=_nothing(np.uint32))
    """Categories."""
    liked_weights: F4 = field(default_factory=_nothing(np.float32))
    liked_times: npt.NDArray[np.int64] = field(default_factory=_nothing(np.int64))
    """Epoch ms of each weight."""
    bought: U4 = field(default_factory=_nothing(np.uint32))
    """Masters."""

    @property
    def is_cold(self) -> bool:
        return not (len(self.views) or len(self.liked))


COLD = Profile()


class Category(NamedTuple):
    number: int
    weight: float
    bits: int
    """provenance.Source."""


@dataclass(frozen=True, slots=True)
class Interests:
    masters: Sequence[tuple[int, float]]
    """Distinct, with their recency weights."""
    categories: Sequence[Category]
    """The heaviest first."""


def interests(profile: Profile, item: int, category: int, catalogue: Catalogue, mix: Mix, now_ms: int) -> Interests:
    """`item` is a master and `category` a category, or NO_REASON."""
    masters = [(master, mix.recency**i) for i, master in enumerate(_distinct(profile, item, mix.views))]
    weights: dict[int, float] = {}
    bits: dict[int, int] = {}

    def take(number: int, weight: float, how: int) -> None:
        if number != NO_REASON and weight > 0:
            standing = weights.get(number, 0.0)
            weights[number] = weight if weight > standing else standing
            bits[number] = bits.get(number, 0) | how

    take(category, mix.category_viewed, _VIEWED)
    for master, recency in masters:
        take(catalogue.category_of(master), mix.category_viewed * recency, _VIEWED)
    viewed = list(weights.items())
    for liked, interest in _liked(profile, mix, now_ms):
        take(liked, mix.category_liked * interest, _LIKED)
    for seen, weight in viewed:
        share_of = mix.category_co_viewed * weight
        for other, share in catalogue.seen_with(seen, live=mix.live_co_view):
            take(other, share_of * share, _CO_VIEWED)
    heaviest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[: mix.categories]
    return Interests(masters, [Category(number, weight, bits[number]) for number, weight in heaviest])


# Plain numbers: `|` of two flags takes a microsecond, and a request has a hundred.
_VIEWED, _CO_VIEWED, _LIKED = map(int, (Source.CATEGORY_VIEWED, Source.CATEGORY_CO_VIEWED, Source.CATEGORY_LIKED))


def _distinct(profile: Profile, item: int, most: int) -> list[int]:
    seen = dict.fromkeys(([item] if item != NO_REASON else []) + profile.views.tolist())
    seen.pop(NO_REASON, None)
    # The item that is looked at counts even where no view is to.
    return list(seen)[: most + (item != NO_REASON)]


def _liked(profile: Profile, mix: Mix, now_ms: int) -> Iterator[tuple[int, float]]:
    weights = profile.liked_weights.astype(np.float64)
    if mix.half_life_h > 0:
        weights = weights * 0.5 ** (np.maximum(now_ms - profile.liked_times, 0) / (mix.half_life_h * HOUR_MS))
    highest = weights.max(initial=0.0)
    if highest > 0:
        yield from zip(profile.liked.tolist(), (np.maximum(weights, 0.0) / highest).tolist(), strict=True)
