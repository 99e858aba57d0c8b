"""What users did, into the event log: answered when the log has it."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conch.clients.analytics import Analytics
from conch.clients.events import DEADLINE_S, EventLog, Record
from conch.contracts.errors import ConchError, InvalidRequest, TooMuch, Unavailable
from conch.contracts.events import EVENTS, AnyEvent, encode, event_of
from conch.contracts.recommendation import Refused, Tracked
from gateway.calls import Call
from gateway.permitted import check_permitted
from gateway.recommending.exposing import Exposing
from gateway.recommending.recommending import MODEL

MOST_EVENTS = 1_000
"""Of one call."""

AHEAD_MS = 600_000
"""An event that is later than our clock by more is refused: its sender's clock is wrong."""


class Tracking:
    def __init__(
        self,
        log: EventLog | None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        analytics: Analytics | None = None,
        exposing: Exposing | None = None,
    ) -> None:
        """`log` None: there is none, and whoever tracks is told so. `analytics` hears of what the log has, and so does
        `exposing`, which is there where the experiment has segments."""
        self._log = log
        self._analytics = analytics
        self._exposing = exposing
        self._now_ms = now_ms

    async def track(self, events: Sequence[Mapping[str, Any]], call: Call) -> Tracked:
        """`events` are fields of conch/contracts/events.py with their `kind`; what is absent has its default.

        Raises what is wrong with the log where it has none of them.
        """
        check_permitted(MODEL, call.asked_by_somebody())
        if self._log is None:
            raise Unavailable("no event log is configured here")
        if len(events) > MOST_EVENTS:
            raise TooMuch(f"there are {len(events)} events, at most {MOST_EVENTS} are taken in one call").about(
                "events"
            )
        read = [self._event(fields, call.identity.tenant) for fields in events]
        good = [(index, event) for index, event in enumerate(read) if not isinstance(event, ConchError)]
        if self._exposing is not None:
            named = await self._exposing.named([event for _, event in good], call.identity.tenant)
            good = [(index, event) for (index, _), event in zip(good, named, strict=True)]
        records = [Record(EVENTS, event.key, encode(event), event.time_ms) for _, event in good]
        outcomes = await self._log.append(records, min(DEADLINE_S, call.remaining_s))
        taken = [event for (_, event), outcome in zip(good, outcomes, strict=True) if outcome is None]
        if self._exposing is not None:
            await self._exposing.tell(taken, call.identity.tenant)
        if self._analytics is not None:
            await asyncio.to_thread(self._analytics.tell, taken)
        failed = [outcome for outcome in outcomes if outcome is not None]
        if failed and len(failed) == len(outcomes):
            raise failed[0]
        lost = {index: outcome for (index, _), outcome in zip(good, outcomes, strict=True) if outcome is not None}
        bad = {index: event for index, event in enumerate(read) if isinstance(event, ConchError)}
        refused = sorted({**lost, **bad}.items())
        return Tracked(len(events) - len(refused), tuple(Refused(index, error.message) for index, error in refused))

    def _event(self, fields: Mapping[str, Any], catalogue: str) -> AnyEvent | InvalidRequest:
        now_ms = self._now_ms()
        given = {name: value for name, value in fields.items() if value or name == "kind"}
        given = {"id": str(uuid.uuid4()), "time_ms": now_ms, **given, "catalogue": catalogue}
        given["id"] = str(given["id"]).lower()
        try:
            event = event_of(given)
        except InvalidRequest as error:
            return error
        if event.time_ms > now_ms + AHEAD_MS:
            return InvalidRequest(f"time_ms is {event.time_ms}, {event.time_ms - now_ms} ms ahead of our clock")
        return event
