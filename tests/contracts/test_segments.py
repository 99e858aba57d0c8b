from itertools import permutations

import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Family, Packed, Unreadable, pack, stamp_of
from conch.contracts.segments import MOST_BYTES, NEW, RETURNING, Exposure, first, segment_of

EARLY, LATE = Exposure(NEW, "spring", 5), Exposure(RETURNING, "spring", 9)


def test_who_has_left_no_trace_is_new():
    assert segment_of(0, 0, 0) == NEW
    assert [segment_of(*known) for known in ((1, 0, 0), (0, 1, 0), (0, 0, 1))] == [RETURNING] * 3


@pytest.mark.parametrize("exposure", [EARLY, Exposure("é" * (MOST_BYTES // 2), "x" * MOST_BYTES, 2**62)])
def test_an_exposure_is_read_as_it_was_written_in_both_forms(exposure):
    assert Exposure.decode(exposure.encode()) == exposure
    assert Exposure.of(exposure.fields) == exposure


def test_the_earliest_exposure_counts_in_whatever_order_they_come():
    for order in permutations([EARLY, LATE, Exposure(RETURNING, "spring", 7)]):
        standing = None
        for told in order:
            standing = first(standing, told)
        assert standing == EARLY


def test_two_that_are_told_at_once_are_ordered_by_their_stamps():
    assert stamp_of(EARLY.encode()) > stamp_of(LATE.encode())
    assert stamp_of(Exposure(NEW, "autumn", 100).encode(epoch=1)) > stamp_of(EARLY.encode())


def test_of_one_moment_the_one_that_stands_stays():
    assert first(EARLY, Exposure(RETURNING, "spring", EARLY.time_ms)) == EARLY


def test_another_experiment_has_first_exposures_of_its_own():
    autumn = Exposure(RETURNING, "autumn", 100)
    assert first(EARLY, autumn) == autumn


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "segment is ''"),
        ({"segment": "x" * 65, "experiment": "spring", "time": "1"}, "1 to 64 bytes"),
        ({"segment": NEW, "experiment": "spring", "time": "-1"}, "epoch milliseconds"),
        ({"segment": NEW, "experiment": "spring", "time": "0"}, "epoch milliseconds"),
        ({"segment": NEW, "experiment": "spring", "time": str(2**63)}, "epoch milliseconds"),
        ({"segment": NEW, "experiment": "spring", "time": "٣"}, "epoch milliseconds"),
    ],
)
def test_what_another_program_wrote_wrong_is_refused(fields, message):
    with pytest.raises(InvalidRequest, match=message):
        Exposure.of(fields)


def test_a_blob_of_no_exposure_and_of_two_is_unreadable():
    none = {name: column[:0] for name, column in EARLY.columns.items()}
    for blob in (b"", EARLY.encode()[:-1], pack(Packed(Family.EXPOSURE, none, 0))):
        with pytest.raises(Unreadable):
            Exposure.decode(blob)
