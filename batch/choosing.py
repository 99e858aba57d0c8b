"""Which masters a run relates: those that somebody has shown interest in, or all that are offered."""

from collections.abc import Mapping

import numpy as np

from conch.contracts.identifiers import uuids_of
from conch.contracts.keys import CatalogueKeys
from conch.stores.features import HotFeatures, SortedSet
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.meanings import U4, Bools
from conch.stores.snapshot import Snapshot


def offered(snapshot: Snapshot) -> Bools:
    """By master: whether anybody offers it, in stock or not."""
    return np.asarray(np.diff(snapshot.columns.offer_starts) > 0)


def hot_masters(keys: CatalogueKeys, hot: HotFeatures, ids: IdIndex, since_ms: int) -> U4:
    """Masters that were interacted with since then, ascending; those that the catalogue does not know are left out.

    Raises Unavailable.
    """
    active = hot.documented(keys.active_masters)
    times: Mapping[str, float] = active.scores if isinstance(active, SortedSet) else {}
    recent = [master for master, time_ms in times.items() if time_ms >= since_ms]
    if not recent:
        return np.zeros(0, np.uint32)
    found = ids.look_up(Kind.MASTERS, uuids_of(keys.catalogue, recent))
    known: U4 = np.unique(found[found != NONE])
    return known


def among(masters: U4, wanted: Bools) -> U4:
    known: U4 = masters[masters < len(wanted)]
    some: U4 = known[wanted[known]]
    return some
