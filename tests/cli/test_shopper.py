"""What the demo's shopper is told."""

import pytest

from conch.cli.shopper import OF_ALL, OF_CATEGORIES, OF_MASTERS, reasons_of
from conch.contracts.provenance import Source
from conch.contracts.recommendation import Item, Provenance


def item(**provenance):
    return Item("pid", "master", 1.0, provenance=Provenance(**provenance))


def test_every_source_has_words():
    assert OF_MASTERS.keys() | OF_CATEGORIES.keys() | OF_ALL.keys() == {source.name.lower() for source in Source}


@pytest.mark.parametrize(
    ("provenance", "because", "told"),
    [
        ({"sources": ("semantic",), "because_master": "m"}, "Red Lamp", ["is like Red Lamp"]),
        (
            {"sources": ("semantic", "category_liked"), "because_category": "lamps", "changes": ("flash_sale",)},
            "",
            ["is like what was viewed", "sells best in lamps, liked lately", "flash sale"],
        ),
        ({"sources": ("category_viewed", "popular")}, "", ["sells best in its category", "sells best of all"]),
        ({}, "", []),
    ],
    ids=["master", "category", "neither", "nothing"],
)
def test_reasons_are_words_that_name_what_gave_most(provenance, because, told):
    assert reasons_of(item(**provenance), because) == told
