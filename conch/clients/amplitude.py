"""Exposures and outcomes to Amplitude, by its own library. No other file knows it.

An impression is the exposure; clicks, orders, cancellations and returns are outcomes. The event's id is Amplitude's
insert id: one that comes twice counts once there too.
"""

import logging
from collections.abc import Sequence

from amplitude import Amplitude, BaseEvent, Config

from conch.clients.analytics import Analytics, told
from conch.contracts.analysts import analysts_id
from conch.contracts.events import AnyEvent, Cancel, Impression, Order, Return

logger = logging.getLogger(__name__)

EXPOSURE = "exposure"
FLUSH_MS = 1_000
"""Also the longest that an event waits to be sent. The library keeps at most 20,000 of them."""

SENDS = 3
"""Attempts for each batch."""


class AmplitudeAnalytics(Analytics):
    def __init__(self, key: str, url: str = "") -> None:
        """`url` is where events are posted; empty: Amplitude's own."""
        options = {"server_url": url} if url else {}
        self._client = Amplitude(
            key,
            Config(
                flush_interval_millis=FLUSH_MS, flush_max_retries=SENDS, min_id_length=1, callback=_answered, **options
            ),
        )

    def tell(self, events: Sequence[AnyEvent]) -> None:
        for event in told(events):
            self._client.track(_as_theirs(event))

    def close(self) -> None:
        self._client.shutdown()


def _as_theirs(event: AnyEvent) -> BaseEvent:
    kind = EXPOSURE if isinstance(event, Impression) else type(event).__name__.lower()
    properties: dict[str, object] = {
        "catalogue": event.catalogue,
        "variant": event.variant,
        "segment": event.segment,
        "widget": event.widget,
        "recommendation_id": event.recommendation_id,
        "pid": event.pid,
        "session": event.session,
    }
    if isinstance(event, Order | Cancel | Return):
        sign = 1 if isinstance(event, Order) else -1
        properties |= {"quantity": event.quantity, "revenue": sign * event.quantity * event.price}
    return BaseEvent(
        kind,
        user_id=analysts_id(event.catalogue, event.user) or None,
        # Of nobody we know Amplitude wants a device.
        device_id=None if event.user else analysts_id(event.catalogue, event.session),
        time=event.time_ms,
        insert_id=event.id,
        event_properties={name: value for name, value in properties.items() if value != ""},
    )


def _answered(event: BaseEvent, code: int, message: str | None = None) -> None:
    if code != 200:
        logger.warning("Amplitude did not take an event: code=%s %s", code, (message or "")[:200])
