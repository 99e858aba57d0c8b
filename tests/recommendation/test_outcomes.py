"""An experiment's report: by hand, and over many made-up experiments."""

import math
import random
import uuid
from typing import Any

import msgspec
import numpy as np
import pytest

from conch.contracts.events import AnyEvent, Click, Impression, event_of
from conch.contracts.experiments import HOLDOUT
from conch.contracts.segments import Exposure
from conch.recommendation import outcomes
from conch.recommendation.outcomes import LEAST_USERS, report, report_by_segment

LIST = "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"


def event(kind: str, user: str, time_ms: int, **fields: Any) -> AnyEvent:
    own = {"recommendation_id": LIST} if kind in ("impression", "click") else {}
    base = {"id": str(uuid.uuid4()), "catalogue": "default", "session": "s", "pid": "p"}
    return event_of({**base, **own, "kind": kind, "user": user, "time_ms": time_ms, **fields})


def test_metrics_are_ratios_over_sessions_from_the_first_exposure_on() -> None:
    events = [
        event("order", "ana", 1, price=100.0),
        event("impression", "ana", 2_000, variant="treatment", session="a"),
        event("impression", "ana", 3_000, variant="treatment", session="a"),
        event("click", "ana", 4_000, session="a"),
        event("order", "ana", 6_000, session="a", price=20.0, quantity=2),
        event("return", "ana", 9_000, session="b", price=20.0),
        event("impression", "bo", 5_000, variant="control", session="c"),
        event("view", "nobody-exposed", 5_000),
    ]
    control, treatment = report(events, "control")
    assert (control.variant, control.users, control.sessions) == ("control", 1, 1)
    assert {name: metric.value for name, metric in control.metrics.items()} == {
        "ctr": 0.0,
        "conversion": 0.0,
        "revenue_per_session": 0.0,
        "session_s": 0.0,
        "bounce": 1.0,
    }
    assert (treatment.users, treatment.sessions) == (1, 2)
    assert {name: metric.value for name, metric in treatment.metrics.items()} == {
        "ctr": 0.5,
        "conversion": 0.5,
        "revenue_per_session": 10.0,
        "session_s": 2.0,
        "bounce": 0.5,
    }
    assert all(metric.difference is None for metric in treatment.metrics.values())


def test_an_event_that_comes_twice_counts_once() -> None:
    once = event("impression", "ana", 1, variant="control")
    click = event("click", "ana", 2)
    (control,) = report([once, click, click, once], "control")
    assert control.metrics["ctr"].value == 1.0


def test_a_click_of_the_same_millisecond_comes_after_its_exposure() -> None:
    events = [event("impression", "ana", 1, variant="control"), event("click", "ana", 1)]
    for order in (events, events[::-1]):
        first, second = (msgspec.structs.replace(one, id=f"{number}") for number, one in enumerate(order))
        (control,) = report([first, second], "control")
        assert control.metrics["ctr"].value == 1.0


def test_a_user_stays_in_the_variant_of_the_first_exposure() -> None:
    events = [event("impression", "ana", time, variant=name) for time, name in ((2, "treatment"), (1, "control"))]
    (control,) = report(events, "control")
    assert (control.variant, control.users) == ("control", 1)


def made_up(seed: int, users: int, rates: dict[str, float]) -> list[AnyEvent]:
    """Users who click at rates of their own: what one does is alike."""
    chance = random.Random(seed)
    events: list[AnyEvent] = []
    for number in range(users):
        variant = list(rates)[number % len(rates)]
        rate = min(1.0, max(0.0, chance.gauss(rates[variant], 0.1)))
        for step in range(10):
            about = {"catalogue": "default", "user": f"u{number}", "time_ms": 1 + step, "pid": "p"}
            own = {**about, "recommendation_id": LIST, "variant": variant}
            events.append(Impression(id=f"{number}-{step}-i", **own))
            if chance.random() < rate:
                events.append(Click(id=f"{number}-{step}-c", **own))
    return events


def test_a_real_difference_is_found_with_an_interval_that_holds_it() -> None:
    _, treatment = report(made_up(1, 1_200, {"control": 0.3, "treatment": 0.4}), "control")
    difference = treatment.metrics["ctr"].difference
    assert difference is not None
    assert difference.p < 0.001
    assert 0 < difference.low < 0.1 < difference.high


PEEKS = 25
EXPERIMENTS = 200


def peeked(seed: int, lift: float) -> list[tuple[float, float]]:
    """p of every look at one experiment, and what a test for one look alone would say."""
    chance = np.random.default_rng(seed)
    own = chance.normal(0.3, 0.1, (2, 40 * PEEKS)).clip(0, 1) + np.array([[0.0], [lift]])
    clicks = chance.binomial(10, own.clip(0, 1))
    looks = []
    for upto in range(40, 40 * PEEKS + 1, 40):
        control, treatment = (
            outcomes.Ratio(row.mean() / 10, float(row.var(ddof=1)) / upto / 100) for row in clicks[:, :upto]
        )
        difference = outcomes._difference(treatment, control, outcomes.EFFECT, outcomes.ALPHA)
        assert difference is not None
        z = difference.value / math.sqrt(control.variance + treatment.variance)
        looks.append((difference.p, math.erfc(abs(z) / math.sqrt(2))))
    return looks


def test_without_a_difference_looking_again_and_again_finds_one_no_more_often_than_it_may() -> None:
    """Of 200 experiments that are looked at 25 times, at most 5 % and two deviations; one-look tests find many."""
    found = [
        [min(look) < outcomes.ALPHA for look in zip(*peeked(seed, 0.0), strict=True)] for seed in range(EXPERIMENTS)
    ]
    always_valid, one_look = (sum(column) for column in zip(*found, strict=True))
    assert always_valid <= EXPERIMENTS * 0.05 + 2 * math.sqrt(EXPERIMENTS * 0.05 * 0.95)
    assert one_look > 2 * EXPERIMENTS * 0.05


def test_with_a_difference_looking_again_and_again_finds_it() -> None:
    found = sum(min(p for p, _ in peeked(seed, 0.03)) < outcomes.ALPHA for seed in range(50))
    assert found > 40


def test_p_and_the_interval_say_the_same() -> None:
    for value in (0.001, 0.01, 0.02, 0.03, 0.05):
        ratio, control = outcomes.Ratio(0.3 + value, 5e-5), outcomes.Ratio(0.3, 5e-5)
        difference = outcomes._difference(ratio, control, outcomes.EFFECT, outcomes.ALPHA)
        assert difference is not None
        assert (difference.p < outcomes.ALPHA) == (difference.low > 0)


def test_who_is_held_out_is_a_variant_of_its_own() -> None:
    events = made_up(3, 300, {"control": 0.3, "treatment": 0.3, HOLDOUT: 0.3})
    found = report(events, "control")
    assert [(one.variant, one.users) for one in found] == [("control", 100), (HOLDOUT, 100), ("treatment", 100)]
    assert all(one.metrics["ctr"].difference is not None for one in found[1:])


def test_segments_are_those_of_the_first_exposure_and_have_controls_of_their_own() -> None:
    late = 2 * outcomes.RETURNING_MS
    events = [
        event("view", "ana", 1),
        event("impression", "ana", late, variant="control"),
        event("click", "ana", late + 1),
        event("impression", "bo", 1, variant="control"),
        event("impression", "bo", late, variant="control"),
        event("view", "cy", late - outcomes.RETURNING_MS + 1),
        event("impression", "cy", late, variant="treatment"),
    ]
    found = report_by_segment(events, "control")
    assert [(one.segment, one.variant, one.users, one.metrics["ctr"].value) for one in found] == [
        ("new", "control", 1, 0.0),
        ("new", "treatment", 1, 0.0),
        ("returning", "control", 1, 1.0),
    ]
    assert sum(one.users for one in found) == sum(one.users for one in report(events, "control"))
    assert {one.segment for one in report(events, "control")} == {""}


def test_a_segment_that_the_first_exposure_tells_is_believed() -> None:
    late = 2 * outcomes.RETURNING_MS
    events = [
        event("view", "ana", 1),
        event("impression", "ana", late, variant="treatment", segment="new"),
        # Served before anything was known of the exposure.
        event("impression", "ana", late + 1, variant="control", segment="returning"),
        event("impression", "bo", 1, variant="control", segment="vip"),
        event("impression", "cy", 1, variant="control"),
    ]
    found = report_by_segment(events, "control")
    assert [(one.segment, one.variant, one.users) for one in found] == [
        ("new", "control", 1),
        ("new", "treatment", 1),
        ("vip", "control", 1),
    ]


def test_who_was_served_while_segments_were_not_known_is_not_exposed_by_that() -> None:
    events = [
        event("impression", "ana", 1, variant="control", segment="unknown"),
        event("impression", "ana", 2, variant="treatment", segment="new"),
        event("click", "ana", 3),
        event("impression", "bo", 1, variant="control", segment="unknown"),
    ]
    (treatment,) = report(events, "control")
    assert (treatment.variant, treatment.users, treatment.metrics["ctr"].value) == ("treatment", 1, 1.0)


def test_first_exposures_are_those_that_tell_a_segment_since_the_experiment_began() -> None:
    events = [
        event("impression", "ana", 9, variant="control", segment="returning"),
        event("impression", "ana", 7, variant="treatment", segment="new"),
        event("impression", "ana", 5, variant="control", segment="vip"),
        event("impression", "bo", 7, variant="control", segment="unknown"),
        event("impression", "cy", 7, variant="control"),
        event("impression", "di", 7, segment="new"),
        event("click", "ed", 7, variant="control", segment="new"),
        event("impression", "fay", 7, variant="control", segment="new", catalogue="other"),
        event("impression", "", 7, variant="control", segment="new"),
    ]
    assert outcomes.first_exposures(events, "spring", "default", 6) == {"ana": Exposure("new", "spring", 7)}


@pytest.mark.parametrize("users", [2, 2 * LEAST_USERS - 2])
def test_few_users_decide_nothing(users: int) -> None:
    _, treatment = report(made_up(2, users, {"control": 0.1, "treatment": 0.9}), "control")
    assert treatment.metrics["ctr"].difference is None


def test_no_events_are_no_report() -> None:
    assert report([], "control") == []
