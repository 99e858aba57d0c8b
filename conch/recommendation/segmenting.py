"""What a user is to an experiment that has segments, while a list is made or an exposure to one is told."""

from conch.contracts.experiments import Experiment
from conch.contracts.segments import UNKNOWN, Exposure, segment_of
from conch.recommendation.interests import Profile


def segment_in(experiment: Experiment, profile: Profile, exposure: Exposure | None, *, is_all: bool) -> str:
    """As of the first exposure, where there was one. `is_all` False: more of the user may have been known."""
    if exposure is not None and exposure.experiment == experiment.name:
        return exposure.segment
    if not is_all:
        return UNKNOWN
    return segment_of(len(profile.views), len(profile.liked), len(profile.bought))
