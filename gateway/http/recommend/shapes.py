"""The JSON of /v1/recommend…, field by field that of conch.recommend.v1."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from conch.contracts.recommendation import RelatedMaster, Wish
from gateway.recommending.reranking import Ranking

Name = Annotated[str, Field(max_length=1_000)]


class WishBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: Name = ""
    item: Name = ""
    category: Name = ""
    widget: Name = ""
    k: int = 0
    """0: the widget's."""
    exclude: list[str] = []
    variant: Name = ""
    strict: bool = False
    recommendation_id: Name = ""
    offset: int = 0
    explain: Name = ""

    def to_wish(self) -> Wish:
        return Wish(**{**dict(self), "exclude": tuple(self.exclude)})


class RelatedBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    item: Name
    k: int = 0


class BestSellersBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    category: Name = ""
    k: int = 0


class CandidateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    master: Name
    score: float


class RerankItemsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    candidates: list[CandidateBody]
    widget: Name = ""
    k: int = 0
    variant: Name = ""
    strict: bool = False

    def to_ranking(self) -> Ranking:
        candidates = tuple(RelatedMaster(one.master, one.score) for one in self.candidates)
        return Ranking(candidates, self.widget, self.k, self.variant, self.strict)


class EventBody(BaseModel):
    """Fields as in docs/events.schema.json; `catalogue` is the caller's own, and what is wrong is told by index."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    id: str = ""
    user: str = ""
    session: str = ""
    pid: str = ""
    master: str = ""
    category: str = ""
    recommendation_id: str = ""
    variant: str = ""
    segment: str = ""
    widget: str = ""
    position: int = 0
    quantity: int = 0
    price: float = 0.0
    time_ms: int = 0


AnyEventBody = Annotated[dict[str, Any], WithJsonSchema(EventBody.model_json_schema())]
"""Nobody looks into it here: a bad event must not fail its neighbours."""


class TrackBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    events: list[AnyEventBody]


class ProvenanceShape(BaseModel):
    sources: list[str]
    base: float
    parts: dict[str, float]
    because_master: str
    because_category: str
    changes: list[str]
    boost: float
    flash_bonus: float
    bid: float


class ItemShape(BaseModel):
    pid: str
    master: str
    score: float
    price: float
    provenance: ProvenanceShape


class ExplanationShape(BaseModel):
    item: str
    state: Literal[
        "served",
        "cut",
        "excluded",
        "seen",
        "bought",
        "out_of_stock",
        "capped",
        "no_offer",
        "not_a_candidate",
        "unknown",
    ]
    detail: str
    rank: int
    provenance: ProvenanceShape | None


class RecommendationShape(BaseModel):
    recommendation_id: str
    items: list[ItemShape]
    variant: str
    fallback: str
    degraded: list[str]
    more: bool
    explanation: ExplanationShape | None
    segment: str


class RelatedMasterShape(BaseModel):
    master: str
    score: float


class RelatedShape(BaseModel):
    related: list[RelatedMasterShape]
    source: Literal["relations", "nearest", "category_best_sellers"]
    degraded: list[str]


class BestSellerShape(BaseModel):
    pid: str
    master: str
    score: float


class BestSellersShape(BaseModel):
    items: list[BestSellerShape]
    degraded: list[str]


class RerankedShape(BaseModel):
    items: list[ItemShape]
    unknown: list[str]
    dropped: dict[str, int]
    degraded: list[str]


class RefusedShape(BaseModel):
    index: int
    reason: str


class TrackedShape(BaseModel):
    accepted: int
    refused: list[RefusedShape]
