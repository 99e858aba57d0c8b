"""What follows from views, held against the same counted by hand."""

from collections import defaultdict
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.catalogue.sessions import HOUR_MS, Views
from conch.catalogue.signals import DAY_MS, best_sellers, interests, last_views, purchases, seen_together, sold
from conch.contracts.provenance import NO_REASON
from conch.stores.rollups import DEFAULT_WEIGHTS

NOW = 1_800_000_000_000
PANE_MS = 300_000
PARENTS = np.array([NO_REASON, 0, 1, 1, 0, NO_REASON], np.uint32)
LEAVES = np.array([2, 3, 4, 5], np.uint32)

# User, session, offer (its master is offer // 2, its leaf master % 4), seconds ago, bought.
VIEW = st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 11), st.integers(1, 30 * 3600), st.booleans())
SOME = st.lists(VIEW, max_size=40)


def views_of(rows: list[tuple[int, int, int, int, bool]]) -> Views:
    rows = sorted(rows, key=lambda row: -row[3])
    column = [np.array([row[place] for row in rows], np.int64) for place in range(4)]
    offer = column[2].astype(np.uint32)
    return Views(
        user=column[0],
        session=column[1],
        master=offer // 2,
        offer=offer,
        leaf=offer // 2 % 4,
        at_ms=NOW - column[3] * 1_000,
        bought=np.array([row[4] for row in rows], bool),
    )


@settings(deadline=None)
@given(SOME)
def test_a_pair_counts_once_a_session_with_the_weight_of_its_first_view(rows):
    views = views_of(rows)
    weights = np.arange(1.0, len(rows) + 1)
    expected: dict[tuple[int, int], float] = defaultdict(float)
    for session in set(views.session.tolist()):
        first: dict[int, float] = {}
        for place in np.flatnonzero(views.session == session).tolist():
            first.setdefault(int(views.leaf[place]), float(weights[place]))
        for one, other in permutations(sorted(first), 2):
            expected[one, other] += first[min(one, other)]
    found = seen_together(views, views.leaf, weights, most=3)
    pairs = zip(found.owners.tolist(), found.members.tolist(), found.scores.tolist(), strict=True)
    assert {(one, other): score for one, other, score in pairs} == pytest.approx(dict(expected))


@settings(deadline=None)
@given(SOME)
def test_a_sale_is_one_of_its_leaf_of_each_ancestor_and_of_everything(rows):
    views = views_of(rows)
    expected: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for leaf, offer, at_ms, bought in zip(views.leaf, views.offer, views.at_ms, views.bought, strict=True):
        category = int(LEAVES[leaf])
        lineage = [category]
        while PARENTS[lineage[-1]] != NO_REASON:
            lineage.append(int(PARENTS[lineage[-1]]))
        if at_ms > NOW - DAY_MS:
            for one in (*lineage, NO_REASON):
                counts = expected[int(at_ms) // PANE_MS * PANE_MS, one, int(offer)]
                counts[0] += int(bought)
                counts[1] += 1
    found = sold(views, LEAVES, PARENTS, NOW, PANE_MS)
    keys = zip(found.pane_ms.tolist(), found.category.tolist(), found.offer.tolist(), strict=True)
    counted = zip(found.units.tolist(), found.views.tolist(), strict=True)
    assert {key: list(counts) for key, counts in zip(keys, counted, strict=True)} == expected


@settings(deadline=None)
@given(SOME)
def test_best_sellers_weigh_the_last_hour_the_day_and_views(rows):
    found = sold(views_of(rows), LEAVES, PARENTS, NOW, PANE_MS)
    expected: dict[tuple[int, int], float] = defaultdict(float)
    for pane, category, offer, units, seen in zip(
        found.pane_ms, found.category, found.offer, found.units, found.views, strict=True
    ):
        hour = DEFAULT_WEIGHTS.hour if pane > NOW - HOUR_MS else 0.0
        if category != NO_REASON and pane > NOW - DAY_MS:
            expected[int(category), int(offer)] += (hour + DEFAULT_WEIGHTS.day) * units + DEFAULT_WEIGHTS.views * seen
    best = best_sellers(found, NOW)
    order = list(zip(best.owners.tolist(), (-best.scores).tolist(), best.members.tolist(), strict=True))
    assert order == sorted(order)
    assert {(owner, member): -score for owner, score, member in order} == pytest.approx(dict(expected), rel=1e-5)


@settings(deadline=None)
@given(SOME)
def test_profiles_hold_the_last_views_first_and_only_what_was_bought(rows):
    views = views_of(rows)
    for found, chosen, members in (
        (last_views(views), np.ones(len(rows), bool), views.offer),
        (purchases(views), views.bought, views.master),
    ):
        for user in range(4):
            own = np.flatnonzero(chosen & (views.user == user))
            expected = sorted(zip((-views.at_ms[own]).tolist(), members[own].tolist(), strict=True))[:20]
            here = found.users == user
            assert list(zip((-found.at_ms[here]).tolist(), found.members[here].tolist(), strict=True))[:20] == expected


def test_an_interest_halves_in_a_day():
    views = views_of([(0, 0, 0, 24 * 3600, False), (0, 0, 2, 48 * 3600, False), (0, 0, 2, 24 * 3600, False)])
    found = interests(views, NOW)
    assert (found.members.tolist(), found.scores.tolist()) == ([1, 0], [0.75, 0.5])
