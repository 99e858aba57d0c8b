"""Operations of conch.recommend.v1.Recommend: requests built, replies read."""

from collections.abc import Mapping, Sequence
from typing import Any

from conch.clients.edge.operations import Operation, built
from conch.contracts.errors import InvalidRequest
from conch.contracts.pb.recommend.v1 import recommend_pb2 as pb
from conch.contracts.recommendation import (
    PRICE_DIGITS,
    Explanation,
    Item,
    Provenance,
    Recommendation,
    Refused,
    Tracked,
    Wish,
)

_SERVICE = pb.DESCRIPTOR.services_by_name["Recommend"].full_name

_KINDS = tuple(value.name for value in pb.Event.Kind.DESCRIPTOR.values if value.number)
_FIELDS = {field.name for field in pb.Event.DESCRIPTOR.fields}


def recommend(wish: Wish) -> Operation[Recommendation]:
    if isinstance(wish.exclude, str):
        raise InvalidRequest("exclude is one str, which is a sequence of its letters: give a tuple")
    request = built(
        lambda: pb.RecommendRequest(
            user=wish.user,
            item=wish.item,
            category=wish.category,
            widget=wish.widget,
            k=wish.k,
            exclude=wish.exclude,
            variant=wish.variant,
            strict=wish.strict,
            recommendation_id=wish.recommendation_id,
            offset=wish.offset,
            explain=wish.explain,
        )
    )
    return Operation(f"/{_SERVICE}/Recommend", request, pb.RecommendReply, _recommendation, timeout_s=10.0)


def track(events: Sequence[Mapping[str, Any]]) -> Operation[Tracked]:
    """Idempotent where every event has an id."""
    request = built(lambda: pb.TrackRequest(events=[_event(index, fields) for index, fields in enumerate(events)]))
    named = all(fields.get("id") for fields in events)
    return Operation(f"/{_SERVICE}/Track", request, pb.TrackReply, _tracked, timeout_s=10.0, idempotent=named)


def _event(index: int, fields: Mapping[str, Any]) -> pb.Event:
    kind = str(fields.get("kind", "")).upper()
    if kind not in _KINDS:
        kinds = ", ".join(_KINDS).lower()
        raise InvalidRequest(f"events[{index}].kind is {fields.get('kind')!r}, none of {kinds}")
    if unknown := sorted(fields.keys() - _FIELDS):
        raise InvalidRequest(f"events[{index}] has {unknown[0]!r}, which is none of {', '.join(sorted(_FIELDS))}")
    try:
        return pb.Event(**{**fields, "kind": pb.Event.Kind.Value(kind)})
    except TypeError as error:
        raise InvalidRequest(f"events[{index}]: {error}") from None


def _recommendation(reply: pb.RecommendReply, _: str) -> Recommendation:
    return Recommendation(
        reply.recommendation_id,
        tuple(map(_item, reply.items)),
        reply.variant,
        reply.fallback,
        tuple(reply.degraded),
        reply.more,
        _explanation(reply.explanation) if reply.HasField("explanation") else None,
        reply.segment,
    )


def _item(item: pb.Item) -> Item:
    return Item(item.pid, item.master, item.score, round(item.price, PRICE_DIGITS), _provenance(item.provenance))


def _provenance(provenance: pb.Provenance) -> Provenance:
    return Provenance(
        tuple(provenance.sources),
        provenance.base,
        dict(provenance.parts),
        provenance.because_master,
        provenance.because_category,
        tuple(provenance.changes),
        provenance.boost,
        provenance.flash_bonus,
        provenance.bid,
    )


def _explanation(explanation: pb.Explanation) -> Explanation:
    provenance = _provenance(explanation.provenance) if explanation.HasField("provenance") else None
    return Explanation(explanation.item, explanation.state, explanation.detail, explanation.rank, provenance)


def _tracked(reply: pb.TrackReply, _: str) -> Tracked:
    return Tracked(reply.accepted, tuple(Refused(one.index, one.reason) for one in reply.refused))
