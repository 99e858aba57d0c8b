import numpy as np
import pytest

from conch.contracts.experiments import Experiment
from conch.contracts.segments import NEW, RETURNING, UNKNOWN, Exposure
from conch.recommendation.interests import COLD, Profile
from conch.recommendation.segmenting import segment_in

SPRING = Experiment("spring", segments=frozenset({NEW}))
SEEN = Profile(views=np.array([7], np.uint32))


@pytest.mark.parametrize(
    ("profile", "segment"),
    [
        (COLD, NEW),
        (SEEN, RETURNING),
        (Profile(liked=np.array([7], np.uint32)), RETURNING),
        (Profile(bought=np.array([7], np.uint32)), RETURNING),
    ],
)
def test_before_the_first_exposure_it_is_what_is_known(profile, segment):
    assert segment_in(SPRING, profile, None, is_all=True) == segment
    # One to another experiment is none to this.
    assert segment_in(SPRING, profile, Exposure("vip", "autumn", 1), is_all=True) == segment


@pytest.mark.parametrize("profile", [COLD, SEEN])
@pytest.mark.parametrize("is_all", [True, False])
def test_after_it_nothing_changes_it(profile, is_all):
    assert segment_in(SPRING, profile, Exposure(NEW, "spring", 1), is_all=is_all) == NEW


def test_of_whom_something_may_be_missing_it_is_not_known():
    assert segment_in(SPRING, COLD, None, is_all=False) == UNKNOWN
    assert SPRING.variant("ana", UNKNOWN) == SPRING.control
