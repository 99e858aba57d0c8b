import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.contracts.provenance import NO_REASON, SOURCES, Source
from conch.recommendation.merging import Pool, Ranked, merge
from tests.recommendation.oracle import Candidate, merged

NOBODY = np.zeros(0, np.uint32)


def ranked(members: dict[int, float] | list[tuple[int, float]], weight: float = 1.0, **more) -> Ranked:
    pairs = list(members.items()) if isinstance(members, dict) else members
    masters = np.array([master for master, _ in pairs], np.uint32)
    scores = np.array([score for _, score in pairs], np.float32)
    return Ranked(masters, scores, **({"source": 0, "bits": 1} | more), weight=weight)


def rows(pool: Pool) -> list[Candidate]:
    columns = (pool.masters, pool.scores, pool.sources, pool.parts, pool.reasons)
    return [
        (int(master), float(score), int(bits), tuple(map(float, parts)), int(reason))
        for master, score, bits, parts, reason in zip(*columns, strict=True)
    ]


def test_the_formula_by_hand():
    semantic = ranked({1: 0.9, 2: 0.45}, weight=0.6, source=0, bits=Source.SEMANTIC, reason=7)
    older = ranked({2: 0.5}, weight=0.6 * 0.8, source=0, bits=Source.SEMANTIC, reason=8)
    best = ranked({1: 30, 3: 60}, weight=0.4, source=1, bits=Source.CATEGORY_VIEWED, reason=9)
    pool = merge([semantic, older, best], NOBODY, 10)
    whole = 0.6 + 0.48 + 0.4
    assert pool.masters.tolist() == [1, 2, 3]
    assert pool.scores.tolist() == pytest.approx([(0.6 + 0.2) / whole, (0.3 + 0.48) / whole, 0.4 / whole])
    assert pool.parts[0].tolist() == pytest.approx([0.6 / whole, 0.2 / whole, 0, 0])
    assert pool.sources.tolist() == [Source.SEMANTIC | Source.CATEGORY_VIEWED, Source.SEMANTIC, Source.CATEGORY_VIEWED]
    assert pool.reasons.tolist() == [7, 8, 9]


def test_no_list_gives_no_candidates():
    assert len(merge([], NOBODY, 10)) == len(merge([ranked({})], NOBODY, 10)) == 0
    assert len(merge([ranked({1: 1.0}, weight=0.0)], NOBODY, 10)) == 0


def test_excluded_masters_are_out_but_still_the_measure_of_their_list():
    pool = merge([ranked({1: 4.0, 2: 2.0, 3: 1.0})], np.array([1, 3, 99, NO_REASON], np.uint32), 10)
    assert rows(pool) == [(2, 0.5, 1, (0.5, 0.0, 0.0, 0.0), NO_REASON)]


def test_equal_scores_come_by_id_also_at_the_cut():
    pool = merge([ranked({9: 1.0, 3: 1.0, 7: 1.0, 5: 1.0})], NOBODY, 3)
    assert pool.masters.tolist() == [3, 5, 7]


def test_negative_scores_count_as_nothing_and_stay_in():
    pool = merge([ranked({1: -5.0, 2: 2.0}), ranked({3: -1.0})], NOBODY, 10)
    assert pool.masters.tolist() == [2, 1, 3]
    assert pool.scores.tolist() == [0.5, 0.0, 0.0]


def test_a_master_twice_in_a_list_counts_once_with_its_highest():
    pool = merge([ranked([(1, 1.0), (2, 4.0), (1, 3.0), (1, 2.0)])], NOBODY, 10)
    assert rows(pool) == [
        (2, 1.0, 1, (1.0, 0.0, 0.0, 0.0), NO_REASON),
        (1, 0.75, 1, (0.75, 0.0, 0.0, 0.0), NO_REASON),
    ]


LISTS = st.lists(
    st.builds(
        lambda members, weight, source, bits, reason: ranked(members, weight, source=source, bits=bits, reason=reason),
        st.lists(
            st.tuples(
                st.one_of(st.integers(0, 12), st.just(NO_REASON)),
                # Few values, so that ties are common; halves and thirds, so that sums are not exact.
                st.sampled_from([-1.0, 0.0, 0.1, 1 / 3, 0.5, 1.0, 7.0]),
            ),
            max_size=12,
        ),
        st.sampled_from([0.0, 0.1, 0.4, 0.6, 1.0]),
        st.integers(0, len(SOURCES) - 1),
        st.sampled_from([1, 2, 4, 16]),
        st.sampled_from([5, 6, NO_REASON]),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=300)
@given(LISTS, st.sets(st.integers(0, 12), max_size=4), st.integers(1, 14))
def test_the_kernel_says_what_the_oracle_says_ties_included(lists, excluded, most):
    pool = merge(lists, np.array(sorted(excluded), np.uint32), most)
    assert rows(pool) == merged(lists, excluded, most)


def test_the_kernel_says_what_the_oracle_says_of_many():
    random = np.random.default_rng(7)
    lists = [
        Ranked(
            random.integers(0, 5_000, 100, np.uint32),
            random.random(100, np.float32),
            source=number % 3,
            bits=1 << number % 3,
            weight=0.8**number,
            reason=number,
        )
        for number in range(50)
    ]
    excluded = random.integers(0, 5_000, 300, np.uint32)
    assert rows(merge(lists, excluded, 1_000)) == merged(lists, set(excluded.tolist()), 1_000)


def test_scores_are_shares_of_the_whole():
    random = np.random.default_rng(8)
    lists = [
        Ranked(np.arange(50, dtype=np.uint32), random.random(50, np.float32), source=number % 2, bits=1, weight=1.0)
        for number in range(10)
    ]
    pool = merge(lists, NOBODY, 50)
    assert pool.scores.min() >= 0
    assert pool.scores.max() <= 1
    assert pool.parts.sum(axis=1) == pytest.approx(pool.scores)
