"""Where a recommended item came from and what was done to it, as it travels between Triton's steps: bits and floats.

Readable words are made for the final k alone (conch/recommendation/reasons.py).
"""

from enum import IntFlag

SOURCES = ("semantic", "category", "co_view", "popular")
"""In the order of the columns of `parts`: relations of viewed masters, best sellers of categories, masters seen in the
same sessions, best sellers of everything."""


class Source(IntFlag):
    """Which lists a master stood in."""

    SEMANTIC = 1
    """Related in meaning to a viewed master."""
    CATEGORY_VIEWED = 2
    """Best seller of a viewed category."""
    CATEGORY_CO_VIEWED = 4
    """Best seller of a category that is seen together with a viewed one."""
    CATEGORY_LIKED = 8
    """Best seller of a category that the user has liked lately."""
    CO_VIEW = 16
    """Seen in the same sessions as a viewed master."""
    POPULAR = 32
    """Best seller of everything."""
    # 64 is free: what is nearest by the index of meanings answers Related alone, which names its source itself.
    STALE = 128
    """Of relations older than three months."""


class Change(IntFlag):
    """What the ranker did to the item."""

    BOOSTED = 1
    FLASH_SALE = 2
    SPONSORED = 4
    EXPIRED = 8
    """A promo of its was over: neither boost, bid nor flash sale."""
    IGNORED = 16
    """A field of its promo was negative or no number."""
    OFFER_SWAPPED = 32
    """Another offer of the master would have been first, had it been in stock."""


CHANGES = ("boost", "flash_bonus", "bid")
"""In the order of the columns of `adjustments`: a factor, a summand, a factor."""

DROPPED = ("out_of_stock", "no_offer", "seller_cap", "brand_cap", "category_cap", "beyond_k")
"""Why a master that came in did not go out, in the order of the counts."""

NO_REASON = 2**32 - 1
"""Where no one master or category gave most."""

FALLBACKS = ("", "category_best_sellers", "best_sellers")
"""Why a list is not personal, in the order of their numbers in a served list; empty: it is."""
