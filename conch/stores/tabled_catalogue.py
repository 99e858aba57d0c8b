"""A snapshot's catalogue with what kernels read of it: made once a generation, in milliseconds."""

from functools import cached_property

import numpy as np

from conch.contracts.keys import CO_VIEW_KEPT
from conch.recommendation.catalogue import Best, Tables, Together
from conch.recommendation.ranking import fixed
from conch.recommendation.together import together
from conch.stores.snapshot_catalogue import SnapshotCatalogue


class TabledCatalogue(SnapshotCatalogue):
    @cached_property
    def tables(self) -> Tables:
        columns = self.snapshot.plain
        live = (fixed(columns.co_view_starts), fixed(columns.co_view_categories), fixed(columns.co_view_scores))
        weekly = (fixed(columns.related_starts), fixed(columns.related_categories), fixed(columns.related_scores))
        nothing = (live[0][:1], live[1][:0], live[2][:0])
        both, alone = together(live, weekly, CO_VIEW_KEPT), together(nothing, weekly, CO_VIEW_KEPT)
        masters = fixed(self.masters_of(columns.best_pids))
        return Tables(
            leaves=fixed(columns.master_category),
            live=both,
            weekly=alone,
            together_most=max(_longest(both), _longest(alone)),
            best=Best(fixed(columns.best_starts), masters, fixed(columns.best_scores)),
        )


def _longest(table: Together) -> int:
    return int(np.diff(table.starts).max(initial=0))
