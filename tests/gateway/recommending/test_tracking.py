"""Track: events are in the log when it answers, and what is not is named by its place."""

from pathlib import Path
from typing import Any

import pytest

from conch.clients.analytics import FileAnalytics
from conch.clients.memory_events import MemoryEventLog
from conch.contracts.errors import PermissionDenied, TooMuch, Unavailable
from conch.contracts.events import EVENTS, Click, Impression, Order, View, decode
from conch.contracts.recommendation import Refused
from gateway.recommending.tracking import AHEAD_MS, Tracking
from tests.gateway.recommending.conftest import CALL, call_of

NOW_MS = 1_700_000_000_000
LIST = "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"
ID = "9b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def tracking(log: MemoryEventLog) -> Tracking:
    return Tracking(log, lambda: NOW_MS)


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "user": "ana", **fields}


async def test_what_is_accepted_is_in_the_log_under_the_tenant_and_the_user(
    tracking: Tracking, log: MemoryEventLog
) -> None:
    events = [
        event("view", pid="p", session="s", id=ID.upper(), time_ms=NOW_MS - 5),
        event("impression", pid="p", recommendation_id=LIST, variant="treatment", widget="home", position=3),
        event("click", pid="p", recommendation_id=LIST, quantity=0, price=0.0),
        event("order", pid="p", quantity=2, price=9.5),
    ]
    tracked = await tracking.track(events, call_of("shop"))
    assert (tracked.accepted, tracked.refused) == (4, ())
    assert {(record.topic, record.key) for record in log.records} == {(EVENTS, "shop:ana")}
    view, impression, click, order = (decode(record.value) for record in log.records)
    assert view == View(id=ID, catalogue="shop", user="ana", session="s", time_ms=NOW_MS - 5, pid="p")
    assert isinstance(impression, Impression)
    assert (impression.variant, impression.widget, impression.position) == ("treatment", "home", 3)
    assert isinstance(click, Click)
    assert isinstance(order, Order)
    assert (order.quantity, order.price, order.time_ms) == (2, 9.5, NOW_MS)
    assert len({view.id, impression.id, click.id, order.id}) == 4


async def test_a_bad_event_is_named_by_its_place_and_its_neighbours_are_taken(
    tracking: Tracking, log: MemoryEventLog
) -> None:
    good = event("click", pid="p")
    bad = [
        event("click"),
        event("dream", pid="p"),
        event("impression", pid="p"),
        {"kind": "click", "pid": "p"},
        event("click", pid="p", time_ms=NOW_MS + AHEAD_MS + 1),
        event("click", pid="p", time_ms=-1),
        event("click", pid="p", id="seven"),
        event("order", pid="p", quantity=-1),
        event("order", pid="p", price=float("nan")),
    ]
    tracked = await tracking.track([good, *bad, good], CALL)
    assert tracked.accepted == len(log.records) == 2
    assert [refused.index for refused in tracked.refused] == list(range(1, 1 + len(bad)))
    assert all(refused.reason for refused in tracked.refused)


async def test_nobody_writes_into_another_tenants_catalogue(tracking: Tracking, log: MemoryEventLog) -> None:
    await tracking.track([event("click", pid="p", catalogue="other")], call_of("shop"))
    assert decode(log.records[0].value).catalogue == "shop"


async def test_a_log_that_takes_nothing_is_told_of_and_not_hidden(tracking: Tracking, log: MemoryEventLog) -> None:
    log.refusing = TooMuch("10 events wait", retry_after_s=1.0)
    with pytest.raises(TooMuch, match="10 events wait"):
        await tracking.track([event("click", pid="p"), event("click")], CALL)


async def test_events_that_the_log_does_not_have_are_refused_one_by_one() -> None:
    class Half(MemoryEventLog):
        async def append(self, records: Any, deadline_s: float = 5.0) -> Any:
            return [None if number % 2 else Unavailable("lost") for number in range(len(records))]

    tracked = await Tracking(Half(), lambda: NOW_MS).track([event("click", pid="p")] * 4, CALL)
    assert (tracked.accepted, tracked.refused) == (2, (Refused(0, "lost"), Refused(2, "lost")))


async def test_nothing_is_nothing(tracking: Tracking) -> None:
    assert (await tracking.track([], CALL)).accepted == 0


async def test_too_many_no_log_and_no_permission_are_refused(tracking: Tracking) -> None:
    with pytest.raises(TooMuch, match="1001 events"):
        await tracking.track([event("click", pid="p")] * 1_001, CALL)
    with pytest.raises(Unavailable, match="no event log"):
        await Tracking(None).track([], CALL)
    with pytest.raises(PermissionDenied):
        await tracking.track([], call_of(models=frozenset({"intent"})))


async def test_analysts_hear_of_what_the_log_has_and_of_nothing_else(tmp_path: Path) -> None:
    class Half(MemoryEventLog):
        async def append(self, records: Any, deadline_s: float = 5.0) -> Any:
            return [None if number % 2 else Unavailable("lost") for number in range(len(records))]

    tracking = Tracking(Half(), lambda: NOW_MS, FileAnalytics(tmp_path / "told.jsonl"))
    await tracking.track([event("click", pid="lost"), event("click"), event("click", pid="kept")], CALL)
    (line,) = (tmp_path / "told.jsonl").read_bytes().splitlines()
    click = decode(line)
    assert isinstance(click, Click)
    assert click.pid == "kept"
