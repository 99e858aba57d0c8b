"""Why an item is among the candidates, or is not."""

import numpy as np

from conch.contracts.provenance import NO_REASON
from conch.contracts.summary import Standing
from conch.recommendation.interests import Profile
from conch.recommendation.merging import U4, Pool


def explained(master: int, profile: Profile, item: int, excluded: U4, pool: Pool) -> Standing:
    places = np.flatnonzero(pool.masters == master)
    if master == NO_REASON:
        return Standing("unknown")
    if len(places):
        place = int(places[0])
        return Standing("candidate", master, rank=place + 1, score=float(pool.scores[place]))
    causes = (
        ("excluded", bool((excluded == master).any())),
        ("looked_at", master == item),
        ("bought", bool((profile.bought == master).any())),
        ("seen", bool((profile.views == master).any())),
    )
    state = next((name for name, holds in causes if holds), "not_a_candidate")
    return Standing(state, master, lowest_score=float(pool.scores[-1]) if len(pool) else 0.0)
