"""What users did, as it stands in the event log: one JSON object a record.

docs/events.schema.json says the same to other programs; it is generated from these (tools/event_schema.py), and a test
holds it to them. Fields that nobody knows are passed over, so that a newer writer does not stop an older reader.

    events             key {catalogue}:{user}, or {catalogue}:{session} of nobody we know
    users.forgotten    key {catalogue}:{user}; compacted: who reads events leaves these users out
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from conch.contracts.errors import InvalidRequest
from conch.contracts.segments import MOST_BYTES

EVENTS, FORGOTTEN = "events", "users.forgotten"

Name = Annotated[str, Meta(max_length=200)]
"""An id, as its owner writes it; empty: not known."""
Named = Annotated[str, Meta(min_length=1, max_length=200)]
Segment = Annotated[str, Meta(max_length=MOST_BYTES)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]
"""Infinity is none: JSON cannot say it, and a sum never gets rid of it."""
Millis = Annotated[int, Meta(ge=1)]
"""Since 1970, UTC."""
Uuid = Annotated[str, Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    id: Uuid
    """The same id is the same event, however often it comes."""
    catalogue: Named
    user: Name = ""
    session: Name = ""
    """One of the two is known."""
    time_ms: Millis
    master: Name = ""
    category: Name = ""
    recommendation_id: Name = ""
    """Of the list that it was seen in; with it go the next three."""
    variant: Name = ""
    segment: Segment = ""
    """Of the user when that list was made."""
    widget: Name = ""

    @property
    def key(self) -> str:
        """Of its record: what one user, or one session, did stays in order."""
        return f"{self.catalogue}:{self.user or self.session}"


class View(Event, frozen=True, kw_only=True, tag="view"):
    """A product's page, or a category's."""

    pid: Name = ""


class Click(Event, frozen=True, kw_only=True, tag="click"):
    pid: Named
    position: Annotated[int, Meta(ge=0)] = 0
    """In the list, from 1; 0: not known."""


class Impression(Event, frozen=True, kw_only=True, tag="impression"):
    """An item of a list was on the screen: what an experiment counts as exposure."""

    pid: Named
    recommendation_id: Named
    position: Annotated[int, Meta(ge=0)] = 0


class Order(Event, frozen=True, kw_only=True, tag="order"):
    pid: Named
    quantity: Annotated[int, Meta(ge=1)] = 1
    price: Amount = 0.0
    """Of one."""


class Cancel(Event, frozen=True, kw_only=True, tag="cancel"):
    """Of what was ordered, before it was sent."""

    pid: Named
    quantity: Annotated[int, Meta(ge=1)] = 1
    price: Amount = 0.0


class Return(Event, frozen=True, kw_only=True, tag="return"):
    pid: Named
    quantity: Annotated[int, Meta(ge=1)] = 1
    price: Amount = 0.0


AnyEvent = View | Click | Impression | Order | Cancel | Return


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """A tombstone: nothing of this user is to be read, kept or made again."""

    catalogue: Named
    user: Named
    time_ms: Millis

    @property
    def key(self) -> str:
        return f"{self.catalogue}:{self.user}"


_ENCODER = msgspec.json.Encoder()
_EVENT = msgspec.json.Decoder(AnyEvent)
_FORGOTTEN = msgspec.json.Decoder(Forgotten)


def encode(record: AnyEvent | Forgotten) -> bytes:
    return _ENCODER.encode(record)


def decode(value: bytes) -> AnyEvent:
    """Raises InvalidRequest that says where it is wrong."""
    try:
        event: AnyEvent = _EVENT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"this is no event: {error}") from None
    return _checked(event)


def event_of(fields: dict[str, Any]) -> AnyEvent:
    """Of a dict with `kind`. Raises InvalidRequest, also for a field that the kind does not have."""
    try:
        event: AnyEvent = msgspec.convert(fields, AnyEvent)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from None
    unknown = fields.keys() - {"kind", *event.__struct_fields__}
    if unknown:
        raise InvalidRequest(f"kind {fields['kind']} has no {', '.join(sorted(unknown))}")
    return _checked(event)


def decode_forgotten(value: bytes) -> Forgotten:
    """Raises InvalidRequest."""
    try:
        return _FORGOTTEN.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"this is no tombstone: {error}") from None


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12)."""
    (events, _), definitions = msgspec.json.schema_components((AnyEvent, Forgotten), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A record of the topic events; $defs/Forgotten is one of users.forgotten",
        **events,
        "$defs": definitions,
    }


def _checked(event: AnyEvent) -> AnyEvent:
    if not (event.user or event.session):
        raise InvalidRequest("user and session are both empty, one of them is needed")
    if len(event.segment.encode()) > MOST_BYTES:
        raise InvalidRequest(f"segment has {len(event.segment.encode())} bytes, at most {MOST_BYTES}")
    if isinstance(event, View) and not (event.pid or event.master or event.category):
        raise InvalidRequest("a view has no pid, no master and no category, one of them is needed")
    return event
