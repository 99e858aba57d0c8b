import hashlib
from collections import Counter

import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.experiments import HOLDOUT, Arm, Experiment
from conch.contracts.segments import NEW, RETURNING

USERS = [f"user-{number}" for number in range(20_000)]


def shares(experiment: Experiment) -> dict[str, float]:
    counts = Counter(experiment.variant(user) for user in USERS)
    return {variant: count / len(USERS) for variant, count in counts.items()}


def test_a_user_sees_one_variant_for_good():
    experiment = Experiment(salt="s", arms=(Arm("control", 0.5), Arm("treatment", 0.5)))
    assert [experiment.variant(user) for user in USERS[:50]] == [experiment.variant(user) for user in USERS[:50]]


def test_the_assignment_is_the_documented_hash():
    experiment = Experiment(salt="s", arms=(Arm("control", 0.5), Arm("treatment", 0.5)))
    place = int(hashlib.sha256(b"s:recommendation:user-1").hexdigest()[:16], 16) / 2**64
    assert experiment.variant("user-1") == ("control" if place < 0.5 else "treatment")


def test_shares_are_kept_and_what_they_leave_over_is_held_out():
    found = shares(Experiment(salt="s", arms=(Arm("control", 0.6), Arm("treatment", 0.3))))
    assert found["control"] == pytest.approx(0.6, abs=0.02)
    assert found["treatment"] == pytest.approx(0.3, abs=0.02)
    assert found[HOLDOUT] == pytest.approx(0.1, abs=0.02)


def test_full_shares_hold_nobody_out():
    assert HOLDOUT not in shares(Experiment(arms=(Arm("control", 0.1), Arm("a", 0.2), Arm("b", 0.7))))


def test_another_salt_shuffles_the_users():
    first, second = (Experiment(salt=salt, arms=(Arm("control", 0.5), Arm("b", 0.5))) for salt in "xy")
    same = sum(first.variant(user) == second.variant(user) for user in USERS)
    assert same / len(USERS) == pytest.approx(0.5, abs=0.02)


def test_nobody_and_those_outside_the_segments_see_control():
    experiment = Experiment(arms=(Arm("control", 0.0), Arm("treatment", 1.0)), segments=frozenset({"new"}))
    assert experiment.variant("") == "control"
    assert experiment.variant("user-1", "returning") == "control"
    assert experiment.variant("user-1", "new") == "treatment"


def test_segments_are_told_where_there_are_any():
    assert Experiment().segments_told == ("",)
    assert Experiment(segments=frozenset({"vip", NEW})).segments_told == ("", NEW, RETURNING, "unknown", "vip")


def test_a_list_of_which_nobody_told_the_segment_was_made_for_what_its_variant_leaves():
    experiment = Experiment(arms=(Arm("control", 0.0), Arm("treatment", 1.0)), segments=frozenset({NEW}))
    assert experiment.segment_shown("ana", "treatment", NEW) == NEW
    # Served as new, and has viewed something since.
    assert experiment.segment_shown("ana", "treatment", RETURNING) == NEW
    assert experiment.segment_shown("ana", "control", NEW) == RETURNING
    # A variant that the caller chose says nothing.
    assert experiment.segment_shown("ana", "other", RETURNING) == RETURNING
    everybody = Experiment(arms=experiment.arms, segments=frozenset({NEW, "vip"}))
    assert everybody.segment_shown("ana", "treatment", RETURNING) == RETURNING


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"segments": "new"}, "'new', not a list of names"),
        ({"segments": ["new", 7]}, "not a list of names"),
        ({"segments": ["unknown"]}, "has 'unknown'"),
        ({"segments": ["x" * 65]}, "1 to 64 bytes"),
        ({"segments": ["new"], "name": "x" * 65}, "experiment.name is 'xxx"),
        ({"arms": {"control": {"share": 0.7}, "b": {"share": 0.4}}}, "1.1"),
        ({"arms": {"b": {"share": 1.0}}}, "'control', which is no arm"),
        ({"arms": {"control": {"share": -1}}}, "from 0 to 1"),
        ({"arms": {"control": {"share": float("nan")}}}, "from 0 to 1"),
        ({"arms": {"control": {}}}, "None"),
        ({"arm": {}}, "'arm', which is none of"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table, message):
    with pytest.raises(InvalidRequest, match=message):
        Experiment.of(table)
