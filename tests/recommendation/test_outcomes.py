"""An experiment's report: by hand, and over many made-up experiments."""

import random
import uuid
from typing import Any

import msgspec
import pytest

from conch.contracts.events import AnyEvent, Click, Impression, event_of
from conch.recommendation.outcomes import LEAST_USERS, report

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


def test_without_a_difference_looking_again_and_again_finds_none_but_seldom() -> None:
    found = 0
    for seed in range(20):
        events = made_up(seed, 240, {"control": 0.3, "treatment": 0.3})
        for upto in range(80, 241, 80):
            seen = {f"u{number}" for number in range(upto)}
            _, treatment = report([one for one in events if one.user in seen], "control")
            difference = treatment.metrics["ctr"].difference
            assert difference is not None
            if difference.p < 0.05:
                found += 1
                break
    assert found <= 2


@pytest.mark.parametrize("users", [2, 2 * LEAST_USERS - 2])
def test_few_users_decide_nothing(users: int) -> None:
    _, treatment = report(made_up(2, users, {"control": 0.1, "treatment": 0.9}), "control")
    assert treatment.metrics["ctr"].difference is None


def test_no_events_are_no_report() -> None:
    assert report([], "control") == []
