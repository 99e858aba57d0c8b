"""Provenance in words."""

import numpy as np
import pytest

from conch.contracts.provenance import FALLBACKS, NO_REASON, SOURCES, Change, Source
from conch.recommendation import shopping
from conch.recommendation.reasons import change_names, gave_most, parts_of, source_names


def test_sources_are_told_in_the_order_of_their_bits() -> None:
    assert source_names(Source.STALE | Source.SEMANTIC | Source.CATEGORY_LIKED) == (
        "semantic",
        "category_liked",
        "stale",
    )


def test_every_bit_has_a_word_and_an_unknown_one_has_none() -> None:
    assert len(source_names(2**32 - 1)) == len(Source)
    assert change_names(2**32 - 1) == ("boosted", "flash_sale", "sponsored", "expired", "ignored", "offer_swapped")
    assert change_names(2**20) == ()


def test_no_bit_has_no_words() -> None:
    assert (source_names(0), change_names(Change(0))) == ((), ())


def test_a_source_that_gave_nothing_is_left_out_of_the_parts() -> None:
    assert parts_of([0.5, 0.0, 0.25, 0.0]) == {"semantic": 0.5, "co_view": 0.25}


MASTER, CATEGORY, NEITHER = "master", "category", "neither"


@pytest.mark.parametrize(
    ("parts", "reason", "expected"),
    [
        pytest.param({"semantic": 0.3}, 4, MASTER, id="relations alone come from a master"),
        pytest.param({"category": 0.3}, 4, CATEGORY, id="best sellers alone come from a category"),
        pytest.param({"semantic": 0.1, "category": 0.3}, 4, CATEGORY, id="of both, a category that is above the item"),
        pytest.param({"co_view": 0.3, "category": 0.1}, 9, MASTER, id="of both, a number that is none of its own"),
        pytest.param({"popular": 1.0}, 4, NEITHER, id="what sells best of all comes from neither"),
        pytest.param({"semantic": 0.3, "category": 0.1}, NO_REASON, NEITHER, id="no one gave most"),
    ],
)
def test_what_gave_most_is_a_master_or_a_category(parts: dict[str, float], reason: int, expected: str) -> None:
    """Each beside rows that are told otherwise."""
    rows = np.array([[0.5, 0, 0, 0], [parts.get(name, 0.0) for name in SOURCES], [0, 0.5, 0, 0]], np.float32)
    masters, categories = gave_most(
        np.array([9, reason, 4], np.uint32), rows, lambda both: np.isin([9, reason, 4], [4, 1])[both]
    )
    assert masters.tolist() == [0, 1][: 1 + (expected == MASTER)]
    assert categories.tolist() == [1, 2][expected != CATEGORY :]


def test_every_fallback_of_the_rules_has_a_number() -> None:
    assert {"", shopping.BEST_SELLERS, shopping.CATEGORY_BEST_SELLERS} <= set(FALLBACKS)
