from dataclasses import replace

import numpy as np
import pytest

from conch.contracts.provenance import NO_REASON
from conch.stores.snapshot import Snapshot, empty
from conch.stores.snapshot_catalogue import SnapshotCatalogue


def of_parents(*parents: int) -> SnapshotCatalogue:
    columns = replace(empty(), category_parent=np.array(parents, np.uint32))
    return SnapshotCatalogue(replace(Snapshot.empty(), columns=columns))


def test_ancestors_are_the_parent_and_those_above_it():
    assert of_parents(2**32 - 1, 0, 1).ancestors(2) == [1, 0]


def test_a_cycle_that_somehow_came_in_has_an_end():
    assert of_parents(1, 2, 0).ancestors(0) == [1, 2, 0]
    assert of_parents(0).ancestors(0) == [0]


def test_what_is_beyond_the_catalogue_has_no_ancestors():
    assert of_parents(2**32 - 1).ancestors(2**32 - 1) == []
    assert of_parents(7).ancestors(0) == [7]


@pytest.mark.parametrize(
    "parents",
    [
        pytest.param((NO_REASON, 0, 1, 1), id="a tree"),
        pytest.param((1, 2, 0), id="a cycle"),
        pytest.param((7, 0), id="above what is beyond"),
        pytest.param((), id="no categories"),
    ],
)
def test_a_master_stands_in_its_category_and_in_those_above_it(parents: tuple[int, ...]):
    categories = [*range(len(parents) + 1), 7, NO_REASON]
    columns = replace(
        empty(), category_parent=np.array(parents, np.uint32), master_category=np.array(categories, np.uint32)
    )
    catalogue = SnapshotCatalogue(replace(Snapshot.empty(), columns=columns))
    masters = range(len(categories) + 1)
    asked = [(master, category) for master in masters for category in categories]
    leaves = dict(zip(masters, [*categories, NO_REASON], strict=True))
    expected = [
        category != NO_REASON and category in [leaves[master], *catalogue.ancestors(leaves[master])]
        for master, category in asked
    ]
    assert catalogue.stand_in(*np.array(asked, np.uint32).T).tolist() == expected
