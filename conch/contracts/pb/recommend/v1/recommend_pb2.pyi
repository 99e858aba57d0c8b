from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecommendRequest(_message.Message):
    __slots__ = ("user", "item", "category", "widget", "k", "exclude", "variant", "strict", "recommendation_id", "offset", "explain")
    USER_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    WIDGET_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    user: str
    item: str
    category: str
    widget: str
    k: int
    exclude: _containers.RepeatedScalarFieldContainer[str]
    variant: str
    strict: bool
    recommendation_id: str
    offset: int
    explain: str
    def __init__(self, user: _Optional[str] = ..., item: _Optional[str] = ..., category: _Optional[str] = ..., widget: _Optional[str] = ..., k: _Optional[int] = ..., exclude: _Optional[_Iterable[str]] = ..., variant: _Optional[str] = ..., strict: _Optional[bool] = ..., recommendation_id: _Optional[str] = ..., offset: _Optional[int] = ..., explain: _Optional[str] = ...) -> None: ...

class RecommendReply(_message.Message):
    __slots__ = ("recommendation_id", "items", "variant", "fallback", "degraded", "more", "explanation", "segment")
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    recommendation_id: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    variant: str
    fallback: str
    degraded: _containers.RepeatedScalarFieldContainer[str]
    more: bool
    explanation: Explanation
    segment: str
    def __init__(self, recommendation_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., variant: _Optional[str] = ..., fallback: _Optional[str] = ..., degraded: _Optional[_Iterable[str]] = ..., more: _Optional[bool] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., segment: _Optional[str] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("pid", "master", "score", "price", "provenance")
    PID_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    pid: str
    master: str
    score: float
    price: float
    provenance: Provenance
    def __init__(self, pid: _Optional[str] = ..., master: _Optional[str] = ..., score: _Optional[float] = ..., price: _Optional[float] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("sources", "base", "parts", "because_master", "because_category", "changes", "boost", "flash_bonus", "bid")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_MASTER_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    FLASH_BONUS_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedScalarFieldContainer[str]
    base: float
    parts: _containers.ScalarMap[str, float]
    because_master: str
    because_category: str
    changes: _containers.RepeatedScalarFieldContainer[str]
    boost: float
    flash_bonus: float
    bid: float
    def __init__(self, sources: _Optional[_Iterable[str]] = ..., base: _Optional[float] = ..., parts: _Optional[_Mapping[str, float]] = ..., because_master: _Optional[str] = ..., because_category: _Optional[str] = ..., changes: _Optional[_Iterable[str]] = ..., boost: _Optional[float] = ..., flash_bonus: _Optional[float] = ..., bid: _Optional[float] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("item", "state", "detail", "rank", "provenance")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    item: str
    state: str
    detail: str
    rank: int
    provenance: Provenance
    def __init__(self, item: _Optional[str] = ..., state: _Optional[str] = ..., detail: _Optional[str] = ..., rank: _Optional[int] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class RelatedRequest(_message.Message):
    __slots__ = ("item", "k")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    item: str
    k: int
    def __init__(self, item: _Optional[str] = ..., k: _Optional[int] = ...) -> None: ...

class RelatedReply(_message.Message):
    __slots__ = ("related", "source", "degraded")
    RELATED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    related: _containers.RepeatedCompositeFieldContainer[Related]
    source: str
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, related: _Optional[_Iterable[_Union[Related, _Mapping]]] = ..., source: _Optional[str] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class Related(_message.Message):
    __slots__ = ("master", "score")
    MASTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    master: str
    score: float
    def __init__(self, master: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class BestSellersRequest(_message.Message):
    __slots__ = ("category", "k")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    category: str
    k: int
    def __init__(self, category: _Optional[str] = ..., k: _Optional[int] = ...) -> None: ...

class BestSellersReply(_message.Message):
    __slots__ = ("items", "degraded")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BestSeller]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[_Union[BestSeller, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class BestSeller(_message.Message):
    __slots__ = ("pid", "master", "score")
    PID_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    pid: str
    master: str
    score: float
    def __init__(self, pid: _Optional[str] = ..., master: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class RerankRequest(_message.Message):
    __slots__ = ("candidates", "widget", "k", "variant", "strict")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    WIDGET_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    widget: str
    k: int
    variant: str
    strict: bool
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., widget: _Optional[str] = ..., k: _Optional[int] = ..., variant: _Optional[str] = ..., strict: _Optional[bool] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("master", "score")
    MASTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    master: str
    score: float
    def __init__(self, master: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class RerankReply(_message.Message):
    __slots__ = ("items", "unknown", "dropped", "degraded")
    class DroppedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    dropped: _containers.ScalarMap[str, int]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., unknown: _Optional[_Iterable[str]] = ..., dropped: _Optional[_Mapping[str, int]] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class TrackRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("id", "kind", "user", "session", "pid", "master", "category", "recommendation_id", "variant", "widget", "position", "quantity", "price", "time_ms", "segment")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Event.Kind]
        VIEW: _ClassVar[Event.Kind]
        CLICK: _ClassVar[Event.Kind]
        IMPRESSION: _ClassVar[Event.Kind]
        ORDER: _ClassVar[Event.Kind]
        CANCEL: _ClassVar[Event.Kind]
        RETURN: _ClassVar[Event.Kind]
    KIND_UNSPECIFIED: Event.Kind
    VIEW: Event.Kind
    CLICK: Event.Kind
    IMPRESSION: Event.Kind
    ORDER: Event.Kind
    CANCEL: Event.Kind
    RETURN: Event.Kind
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    WIDGET_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: Event.Kind
    user: str
    session: str
    pid: str
    master: str
    category: str
    recommendation_id: str
    variant: str
    widget: str
    position: int
    quantity: int
    price: float
    time_ms: int
    segment: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[Event.Kind, str]] = ..., user: _Optional[str] = ..., session: _Optional[str] = ..., pid: _Optional[str] = ..., master: _Optional[str] = ..., category: _Optional[str] = ..., recommendation_id: _Optional[str] = ..., variant: _Optional[str] = ..., widget: _Optional[str] = ..., position: _Optional[int] = ..., quantity: _Optional[int] = ..., price: _Optional[float] = ..., time_ms: _Optional[int] = ..., segment: _Optional[str] = ...) -> None: ...

class TrackReply(_message.Message):
    __slots__ = ("accepted", "refused")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    refused: _containers.RepeatedCompositeFieldContainer[Refused]
    def __init__(self, accepted: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[Refused, _Mapping]]] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("index", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
