from dataclasses import replace

import numpy as np

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
